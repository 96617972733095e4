package model

import _ "embed" // the example

//go:embed example.yaml
var example string

// Example is a complete model file with comments: an invented office, with every section.
func Example() string { return example }

package model

import _ "embed" // the schema

//go:embed model.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the model file, for editors and for other programs. It says what shape a file has; Read finds more: names that refer
// to nothing, numbers that do not go together.
func Schema() []byte { return append([]byte(nil), schema...) }

// Package agents holds the resource types that ship with the product: each is a folder with its type.yaml.
package agents

import "embed"

// FS has a folder NAME/type.yaml for each type. Their methods are part of the daemon (driver "native").
//
//go:embed */type.yaml
var FS embed.FS

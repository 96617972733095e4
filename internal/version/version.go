// Package version says which build this is.
package version

// Version is set by the linker (see Makefile); a plain `go build` leaves it at "dev".
var Version = "dev"

// Command redoubtd is the daemon of a node. "redoubtd guard" is the process that ends a node's services when their lease ends; the daemon starts it.
package main

import (
	"os"

	"redoubt/internal/daemon"
	"redoubt/internal/guard"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(guard.Main(os.Args[2:]))
	}
	os.Exit(daemon.Main(os.Args[1:], os.Stderr))
}

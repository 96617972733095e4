// Command redoubtd is the daemon of a node. "redoubtd guard" is what redoubt-guard is, where that program can not be used: the process that ends a node's services when
// their lease ends. "redoubtd descend" gives up root and becomes a program of an application; "redoubtd launch" starts the programs of
// resources, where redoubt-guard can not. The daemon starts them all.
package main

import (
	"os"

	"redoubt/internal/daemon"
	"redoubt/internal/descend"
	"redoubt/internal/guard"
	"redoubt/internal/launch"
	"redoubt/internal/nocore"
)

func main() {
	nocore.Set()
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(guard.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == descend.Word {
		os.Exit(descend.Main(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	os.Exit(daemon.Main(os.Args[1:], os.Stderr))
}

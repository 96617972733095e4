// Command redoubt-guard ends the services of a node when their lease ends. With the word launch it starts the programs of resources instead. redoubtd
// starts both. It is a program of its own because all of the guard is locked in memory: it imports next to nothing, and the test beside it keeps it so.
package main

import (
	"fmt"
	"os"

	"redoubt/internal/guard"
	"redoubt/internal/launch"
	"redoubt/internal/nocore"
	"redoubt/internal/version"
)

func main() {
	nocore.Set()
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version.Version)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	os.Exit(guard.Main(os.Args[1:]))
}

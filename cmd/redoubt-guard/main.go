// Command redoubt-guard ends the services of a node when their lease ends. redoubtd starts it. It is a program of its own because all of it is locked in memory: it
// imports next to nothing, and the test beside it keeps it so.
package main

import (
	"fmt"
	"os"

	"redoubt/internal/guard"
	"redoubt/internal/nocore"
	"redoubt/internal/version"
)

func main() {
	nocore.Set()
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version.Version)
		return
	}
	os.Exit(guard.Main(os.Args[1:]))
}

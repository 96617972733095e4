// Package nocore keeps what a program knows out of core files: keys, private strings, passwords and passphrases would stand in them.
package nocore

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Set makes the kernel write no core file of this process, to a file or to a program that takes them, whatever its limits say; nor may other processes of its user look into
// it. Programs that it starts are dumped as usual. Every program of ours calls it first. Where the kernel refuses, that is said on standard error.
func Set() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintf(os.Stderr, "a core file of this program would hold what it knows: %v\n", err)
	}
}

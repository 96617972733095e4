// Package nstest runs the tests of a package in namespaces of their own, so that they can change networks and mounts and leave nothing behind.
package nstest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

const inside = "REDOUBT_TEST_INSIDE"

// Enter is for TestMain. In the namespaces it returns; outside it runs the test binary again with new ones (flags: syscall.CLONE_NEWNET, CLONE_NEWNS) and
// ends with its exit status.
func Enter(flags uintptr) {
	if os.Getenv(inside) != "" {
		return
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:gosec // the test binary runs itself, with its own arguments
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: flags}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

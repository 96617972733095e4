package cli

import (
	"errors"
	"strings"

	"redoubt/internal/fault"
)

// The exit statuses under the new names.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// dialect is whose exit statuses a command speaks.
type dialect int

const (
	dialectNew  dialect = iota // 0, 1, 2
	dialectCL                  // the CL_ codes of the old administration commands
	dialectScha                // the SCHA_ERR codes of the agent commands
)

// usageError is a command line that could not be understood.
type usageError struct {
	err  error
	hint string
}

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

// clCodes are the exit statuses of the old administration commands.
var clCodes = map[fault.Code]int{
	fault.Invalid: 3, fault.Denied: 6, fault.Precondition: 10, fault.Internal: 18, fault.Unavailable: 35,
	fault.Timeout: 35, fault.NotFound: 36, fault.Unsupported: 37, fault.Conflict: 38, fault.Exists: 39,
}

// schaCodes are the exit statuses of the agent commands; schaStatus refines two of them.
var schaCodes = map[fault.Code]int{
	fault.Invalid: 3, fault.Exists: 3, fault.Unsupported: 3, fault.Unavailable: 5, fault.Denied: 6,
	fault.Conflict: 7, fault.Precondition: 9, fault.Internal: 18, fault.Timeout: 18,
}

func exitStatus(d dialect, name string, err error) int {
	if err == nil {
		return exitOK
	}
	if s, ok := errors.AsType[StatusError](err); ok {
		return s.Status
	}
	_, usage := errors.AsType[usageError](err)
	code := fault.CodeOf(err)
	switch {
	case d == dialectNew && usage:
		return exitUsage
	case d == dialectNew:
		return exitFail
	case usage:
		return 3
	case d == dialectCL:
		return clCodes[code]
	}
	return schaStatus(name, code)
}

// schaStatus gives what was not found its own code, by the command that looked for it, and a refused giveover CHECKS.
func schaStatus(name string, code fault.Code) int {
	switch {
	case code == fault.NotFound && strings.HasPrefix(name, "scha_resourcegroup"):
		return 12
	case code == fault.NotFound && strings.HasPrefix(name, "scha_resourcetype"):
		return 13
	case code == fault.NotFound && name == "scha_cluster_get":
		return 11
	case code == fault.NotFound:
		return 14
	case code == fault.Precondition && name == "scha_control":
		return 16
	}
	return schaCodes[code]
}

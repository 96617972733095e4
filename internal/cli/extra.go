package cli

import "fmt"

// StatusError is how a command that is mounted under the root gives the exit status of a program it ran for the user. Nothing is printed for it:
// the program has said what it had to say.
type StatusError struct{ Status int }

// Error implements error.
func (s StatusError) Error() string { return fmt.Sprintf("exit status %d", s.Status) }

// UsageErrorf makes the error of a command line that could not be understood; hint is a further line for the person, or empty.
func UsageErrorf(hint, format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...), hint}
}

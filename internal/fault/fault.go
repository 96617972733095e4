// Package fault is the closed set of error codes of the product. An error made here has a code, a public text (what failed, on which
// object, why, what to do next) and optionally a cause that goes to the log but not to the user.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an error is. Adapters and faces map it: to an HTTP status, an exit status, a retry policy.
type Code string

// The codes. Anything without a code is Internal.
const (
	Invalid      Code = "invalid"      // the request is wrong in itself
	NotFound     Code = "notfound"     // the object does not exist
	Exists       Code = "exists"       // the name is taken
	Conflict     Code = "conflict"     // somebody else changed it first
	Denied       Code = "denied"       // not allowed
	Precondition Code = "precondition" // right request, wrong state of the object
	Unavailable  Code = "unavailable"  // try again: no quorum, no leader, not reachable
	Timeout      Code = "timeout"      // took too long; the outcome may be unknown
	Unsupported  Code = "unsupported"  // this build or machine can not do it
	Internal     Code = "internal"     // our fault
)

// Error is an error with a code.
type Error struct {
	Code   Code
	Text   string // public: one sentence with object, cause and remedy
	Detail string // public, optional: further lines (every problem found, the output of a method)
	Cause  error  // private: for the log
}

// Error gives the public text and, where there is one, the detail.
func (e *Error) Error() string {
	if e.Detail != "" {
		return e.Text + "\n" + e.Detail
	}
	return e.Text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an error of the given code. A %w verb in the format becomes its cause, and stands in the text.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Cause: errors.Unwrap(err)}
}

// Hide makes an error whose cause is kept from the user.
func Hide(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Cause: cause}
}

// WithDetail returns a copy of e with the detail text.
func (e *Error) WithDetail(detail string) *Error {
	c := *e
	c.Detail = detail
	return &c
}

// CodeOf returns the code of the first *Error in err's chain, or Internal; the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err has the code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

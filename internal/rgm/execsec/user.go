package execsec

import (
	"fmt"
	"slices"
	"strings"

	"redoubt/internal/fault"
)

// Account is a user of this host.
type Account struct {
	Name   string
	UID    int
	GID    int
	Groups []int
}

// Application asks as whom an application's executable runs.
type Application struct {
	Level Level
	Path  string // of the executable
	Facts []Fact // of the way to it, itself the last
	// Configured is the account that was asked for (Application_user, or -U), nil when none was.
	Configured *Account
	// Owner is the account that owns the executable.
	Owner Account
	// Caller is the account that asks: root for methods.
	Caller Account
}

// Choice is the answer.
type Choice struct {
	Account  Account
	Why      string // "Application_user", "the owner of PATH", "the caller"
	Warnings []string
}

// Choose says as whom an executable runs, or that the policy does not let it run. The table of Solaris Cluster:
//
//	SECURE         Application_user, or else the owner of the executable; what is wrong with the executable is an error
//	WARN           the same user; what is wrong is a warning
//	OVERRIDE       the owner of the executable; what is wrong is a warning
//	COMPATIBILITY  the caller; what is wrong is a warning
//
// That root runs what another user owns is an error under SECURE and WARN: it would give that user root's rights.
func Choose(a Application) (Choice, error) {
	var c Choice
	switch {
	case a.Level == Compatibility:
		c.Account, c.Why = a.Caller, "the caller"
	case a.Level == Override || a.Configured == nil:
		c.Account, c.Why = a.Owner, "the owner of "+a.Path
	default:
		c.Account, c.Why = *a.Configured, "Application_user"
	}
	if a.Configured != nil && (a.Level == Override || a.Level == Compatibility) && a.Configured.UID != c.Account.UID {
		c.Warnings = append(c.Warnings, fmt.Sprintf("user %s is ignored, for resource_security is %s: %s runs as %s (%s)", a.Configured.Name, a.Level, a.Path, c.Account.Name, c.Why))
	}
	file := Fact{Path: a.Path}
	if len(a.Facts) > 0 {
		file = a.Facts[len(a.Facts)-1]
	}
	if c.Account.UID == 0 && file.UID != 0 && a.Level.Distrusts() {
		return c, fault.Errorf(fault.Precondition, "%s is not run: it would run as root (%s) but belongs to user %d, who could make root run anything; chown root %s, or set Application_user to that user", a.Path, c.Why, file.UID, file.Path)
	}
	vs := Judge(a.Facts, c.Account.UID)
	if !executable(file, c.Account) {
		vs = append(vs, Violation{Path: file.Path, Why: "can not be executed by user " + c.Account.Name, Remedy: "chmod a+x " + file.Path})
	}
	if len(vs) == 0 {
		return c, nil
	}
	if a.Level == Secure {
		return c, fault.Errorf(fault.Precondition, "%s is not run as user %s: others may have written it, and resource_security is SECURE: %s", a.Path, c.Account.Name, Lines(vs))
	}
	for _, v := range vs {
		c.Warnings = append(c.Warnings, v.String())
	}
	return c, nil
}

// executable reports whether the mode lets an account execute the file. Where an access control list says more than the mode, the kernel is left to judge.
func executable(f Fact, a Account) bool {
	switch {
	case f.ACL:
		return true
	case a.UID == 0:
		return f.Mode&anyExecute != 0
	case a.UID == f.UID:
		return f.Mode&0o100 != 0
	case a.GID == f.GID || slices.Contains(a.Groups, f.GID):
		return f.Mode&0o010 != 0
	}
	return f.Mode&0o001 != 0
}

// CheckUserName says whether a text can be the name or the number of a user.
func CheckUserName(s string) error {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-@\\", r)
	}
	if s == "" || len(s) > 256 || s[0] == '-' || strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) >= 0 {
		return fault.Errorf(fault.Invalid, "%q is no name of a user", s)
	}
	return nil
}

package execsec

import (
	"fmt"
	"strconv"
	"strings"

	"redoubt/internal/fault"
)

// Kind is what lies at a path.
type Kind string

// The kinds.
const (
	Directory Kind = "directory"
	Link      Kind = "symbolic link"
	File      Kind = "file"
	Other     Kind = "neither a file nor a directory"
)

// The bits of a mode that matter here, as the kernel gives them.
const (
	groupWrite = 0o020
	otherWrite = 0o002
	setUID     = 0o4000
	setGID     = 0o2000
	sticky     = 0o1000
	anyExecute = 0o111
)

// Fact is what was seen of one place on the way to a program, or of the program itself.
type Fact struct {
	Path     string
	Kind     Kind
	UID, GID int
	Mode     uint32 // permission bits with setuid, setgid and sticky
	// Writers are those to whom its access control list gives the right to write, root not among them: "user 1000", "group 5". Heirs are those to
	// whom a directory's default list gives it in what is made there.
	Writers, Heirs []string
	ACL            bool // it has an access control list, so the mode does not say everything
	Capabilities   bool // it has file capabilities
	Open           bool // a process has it open for writing
	// MountedBy is who mounted the file system in user space that it lies on, and so decides what is read from it; 0 is root or the kernel.
	MountedBy int
	// Remote is the kind of network file system that it lies on ("NFS"), "" for a disk of this machine.
	Remote string
	// Method says that it is the program of a method (and no program of the system): it needs neither setuid bits nor capabilities.
	Method bool
}

// Violation is why somebody else may have written a program.
type Violation struct {
	Path   string
	Why    string
	Remedy string // a command
}

// String is one line.
func (v Violation) String() string {
	s := v.Path + " " + v.Why
	if v.Remedy != "" {
		s += " (remedy: " + v.Remedy + ")"
	}
	return s
}

// Judge finds everything that lets others than root, and than the user as whom the program runs, write what is executed. user is 0 for a program
// that runs as root.
func Judge(facts []Fact, user int) []Violation {
	var out []Violation
	seen := map[string]bool{}
	elsewhere := map[string]bool{}
	for _, f := range facts {
		if f.Remote != "" && user == 0 && !elsewhere[f.Remote] {
			elsewhere[f.Remote] = true
			out = append(out, Violation{
				Path: f.Path, Why: "lies on a network file system (" + f.Remote + "): who may write there is up to its server and to every machine that mounts it", Remedy: "install it on a file system of the machine",
			})
		}
		for _, v := range f.judge(user) {
			if key := v.Path + "\x00" + v.Why; !seen[key] {
				seen[key] = true
				out = append(out, v)
			}
		}
	}
	return out
}

func (f Fact) judge(user int) (out []Violation) {
	add := func(remedy, format string, args ...any) {
		out = append(out, Violation{Path: f.Path, Why: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	if f.UID != 0 && f.UID != user {
		flag := ""
		if f.Kind == Link {
			flag = "-h "
		}
		add("chown "+flag+"root "+f.Path, "belongs to %s and not to root", named(f.UID))
	}
	if f.MountedBy != 0 && f.MountedBy != user {
		add("install it on a file system of the machine", "lies on a file system that user %d has mounted", f.MountedBy)
	}
	if f.Kind == Link {
		return out // its mode means nothing
	}
	switch write := f.Mode & (groupWrite | otherWrite); {
	case write&otherWrite != 0 && f.Kind == Directory && f.Mode&sticky != 0:
		add("keep it in a directory of root's own", "is a directory that everybody may write, and its sticky bit is no protection for what lies in it")
	case write&otherWrite != 0:
		add("chmod go-w "+f.Path, "may be written by everybody")
	case write != 0 && len(f.Writers) == 0: // with a list the mode shows only its mask
		add("chmod go-w "+f.Path, "may be written by group %d", f.GID)
	}
	if len(f.Writers) > 0 {
		add("setfacl -b "+f.Path, "may be written by %s, by its access control list", strings.Join(f.Writers, ", "))
	}
	if len(f.Heirs) > 0 {
		add("setfacl -k "+f.Path, "lets %s write what is made in it, by its default access control list", strings.Join(f.Heirs, ", "))
	}
	if f.Kind != File {
		return out
	}
	if f.Method && f.Mode&(setUID|setGID) != 0 {
		add("chmod u-s,g-s "+f.Path, "has a setuid or setgid bit, which a method does not need")
	}
	if f.Method && f.Capabilities {
		add("setcap -r "+f.Path, "has file capabilities, which a method does not need")
	}
	if f.Open {
		add("end the process that has it open (see fuser -v "+f.Path+")", "is open for writing, so that its content may change at any time")
	}
	return out
}

func named(uid int) string { return "user " + strconv.Itoa(uid) }

// maxShown is how many violations an error names.
const maxShown = 4

// Refuse gives the error with which the level refuses to run what (which the caller names if it is ""), nil if it does not.
func Refuse(l Level, what string, vs []Violation) error {
	if l != Secure || len(vs) == 0 {
		return nil
	}
	if what != "" {
		what += ": "
	}
	return fault.Errorf(fault.Precondition, "%sothers than root may have written it, and resource_security is SECURE: %s", what, Lines(vs))
}

// Lines are violations in one line, the first of them if there are many.
func Lines(vs []Violation) string {
	var parts []string
	for i, v := range vs {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("and %d more", len(vs)-i))
			break
		}
		parts = append(parts, v.String())
	}
	return strings.Join(parts, "; ")
}

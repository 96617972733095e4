// Package execsec is the policy for what runs as root and as whom applications run: the cluster property resource_security and its effects.
//
// Methods run as root, so only root may have written them. Somebody may write a program when he owns or may write the file, any directory on the way
// to it, a symbolic link on that way, the interpreter that a script names, or a file that it takes code from. The facts about each of these come from
// outside (internal/execcheck looks at the open files); here is what they mean.
package execsec

import (
	"strings"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// PropertyName is the cluster property that sets the level.
const PropertyName = "resource_security"

// Level is how strict the cluster is.
type Level string

// The levels, as Solaris Cluster has them.
const (
	Secure        Level = "SECURE"        // what others than root may have written does not run
	Warn          Level = "WARN"          // it runs, with a warning
	Override      Level = "OVERRIDE"      // as Warn; Application_user is ignored, the owner of an executable runs it
	Compatibility Level = "COMPATIBILITY" // as Warn; Application_user is ignored, applications run as root
)

// Distrusts reports whether root is kept from running what belongs to another user. The other levels choose who runs it.
func (l Level) Distrusts() bool { return l == Secure || l == Warn }

// Levels are the words of the property.
func Levels() []string {
	return []string{string(Secure), string(Warn), string(Override), string(Compatibility)}
}

// ParseLevel reads a level; "" is Secure.
func ParseLevel(s string) (Level, error) {
	if s == "" {
		return Secure, nil
	}
	for _, l := range Levels() {
		if strings.EqualFold(l, s) {
			return Level(l), nil
		}
	}
	return Secure, fault.Errorf(fault.Invalid, "resource_security %q is none of %s", s, strings.Join(Levels(), ", "))
}

// LevelOf is the level of a cluster. A word that this version does not know counts as Secure.
func LevelOf(c model.Cluster) Level {
	for _, p := range c.Properties {
		if p.Name == PropertyName && len(p.Values) == 1 {
			l, _ := ParseLevel(p.Values[0])
			return l
		}
	}
	return Secure
}

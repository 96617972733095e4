package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"redoubt/internal/fault"
)

// Direction is which way a fault works, as seen from the machine.
type Direction string

// The directions. The zero value means both.
const (
	Both Direction = "both"
	In   Direction = "in"
	Out  Direction = "out"
)

// Fault is something wrong with the networks: frames of a machine that are dropped in the switch. Nobody is told that they are.
type Fault struct {
	Machine   string    `json:"machine"`
	From      []string  `json:"from,omitempty"` // only to and from these machines; none: from everybody
	Networks  []string  `json:"networks"`       // none: all that the machine has
	Direction Direction `json:"direction"`
	Percent   float64   `json:"percent"` // how many are dropped, at random; 100 is a cut
}

func (l *Lab) faultsFile() string { return filepath.Join(l.place.run(), "faults.json") }

// Faults lists the faults of the lab's networks, in the order in which they were made.
func (l *Lab) Faults() ([]Fault, error) {
	var all []Fault
	if err := loadJSON(l.faultsFile(), &all); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Errorf(fault.Internal, "faults of lab %s: %w", l.place, err)
	}
	return all, nil
}

// Cut adds a fault. All of its networks and directions are cut in one moment.
func (l *Lab) Cut(f Fault) error {
	if f.Percent == 0 {
		f.Percent = 100
	}
	if f.Direction == "" {
		f.Direction = Both
	}
	if err := l.checkFault(&f); err != nil {
		return err
	}
	return l.change(func(all []Fault) []Fault { return append(all, f) })
}

// Heal removes the faults of the machines, or all of them when none is named.
func (l *Lab) Heal(names ...string) error {
	for _, n := range names {
		if _, err := l.machine(n); err != nil {
			return err
		}
	}
	return l.change(func(all []Fault) []Fault {
		return slices.DeleteFunc(all, func(f Fault) bool {
			return len(names) == 0 || slices.Contains(names, f.Machine)
		})
	})
}

func (l *Lab) checkFault(f *Fault) error {
	m, err := l.machine(f.Machine)
	if err != nil {
		return err
	}
	if len(f.Networks) == 0 {
		f.Networks = m.nets
	}
	for _, n := range f.Networks {
		if _, err := l.Address(f.Machine, n); err != nil {
			return err
		}
	}
	for _, n := range f.From {
		if _, err := l.machine(n); err != nil {
			return err
		}
		if n == f.Machine {
			return fault.Errorf(fault.Invalid, "cut %s from itself: a machine reaches itself without a network", n)
		}
	}
	if f.Percent <= 0 || f.Percent > 100 {
		return fault.Errorf(fault.Invalid, "lose %g percent: want more than 0 and at most 100", f.Percent)
	}
	if f.Direction != Both && f.Direction != In && f.Direction != Out {
		return fault.Errorf(fault.Invalid, "direction %q: want in, out or both", f.Direction)
	}
	return nil
}

// change replaces the faults in the switch and then in the file.
func (l *Lab) change(f func([]Fault) []Fault) error {
	held, err := lock(l.place.run())
	if err != nil {
		return err
	}
	defer held.Close()
	old, err := l.Faults()
	if err != nil {
		return err
	}
	all := f(old)
	pid, err := l.fabric().running()
	if err != nil {
		return err
	}
	if err := applyRules(pid, rules(all)); err != nil {
		return fault.Errorf(fault.CodeOf(err), "faults of lab %s: %w", l.place, err)
	}
	return saveJSON(l.faultsFile(), all)
}

// rules are the switch's filter rules for the faults, as one transaction that replaces what was there. The bridge family sees every frame
// between two ports, ARP and neighbour discovery among them.
func rules(faults []Fault) string {
	var b strings.Builder
	b.WriteString("table bridge lab\ndelete table bridge lab\n")
	if len(faults) == 0 {
		return b.String()
	}
	b.WriteString("table bridge lab {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n")
	for _, f := range faults {
		drop := "drop"
		if f.Percent < 100 {
			drop = fmt.Sprintf("numgen random mod 10000 < %d drop", int(f.Percent*100+0.5))
		}
		for _, n := range f.Networks {
			port := machine{name: f.Machine}.port(n)
			peers := []string{""}
			if len(f.From) > 0 {
				peers = f.From
			}
			for _, p := range peers {
				if f.Direction != Out {
					fmt.Fprintf(&b, "\t\t%soifname %q %s\n", peer("iifname", p, n), port, drop)
				}
				if f.Direction != In {
					fmt.Fprintf(&b, "\t\tiifname %q %s%s\n", port, peer("oifname", p, n), drop)
				}
			}
		}
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

func peer(key, name, network string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s %q ", key, machine{name: name}.port(network))
}

// applyRules hands the rules to nft in the namespace of the switch.
func applyRules(pid int, text string) error {
	var out bytes.Buffer
	return aside(pid, []string{"net"}, func() error {
		nft, err := lookPath("nft")
		if err != nil {
			return fault.Errorf(fault.Unsupported, "nft is not installed; install the package nftables")
		}
		cmd := exec.Command(nft, "-f", "-")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &out
		if err := cmd.Run(); err != nil {
			return fault.Errorf(fault.Unsupported, "the kernel or nft refused the rules of the switch: %w: %s", err, strings.TrimSpace(out.String()))
		}
		return nil
	})
}

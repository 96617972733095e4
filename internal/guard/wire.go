package guard

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Kind is the first byte of a Frame.
type Kind byte

// What a daemon says to its guard. Every one but KindLease is answered by exactly one KindState, KindOK or KindRefused;
// KindLease is answered by KindLeaseAck.
const (
	KindAttach   Kind = 'a' // I am the daemon now; Text is not used
	KindLease    Kind = 'l' // Arg: services may run until this CLOCK_BOOTTIME, in nanoseconds
	KindOwe      Kind = 'o' // Text: an Owed that is about to be made
	KindSettle   Kind = 's' // Text: an Owed that was undone
	KindHandover Kind = 'h' // Arg: until this CLOCK_BOOTTIME the end of the connection is not the daemon's death; 0 takes it back
	KindFence    Kind = 'f' // fence now
	KindDatagram Kind = 'd' // one descriptor, a connected datagram socket; Text: what to write to it after fencing. Arg 1: forget earlier ones
	KindWatchdog Kind = 'w' // one descriptor, an open hardware watchdog; Arg: feed it at this interval in nanoseconds; Text: what it calls itself
	KindQuit     Kind = 'q' // end in good order; refused while anything runs or is owed
)

// What a guard says to its daemon.
const (
	KindState    Kind = 'S' // Text: a State
	KindLeaseAck Kind = 'L' // Arg: the lease that counts now
	KindOK       Kind = 'K'
	KindRefused  Kind = 'R' // Text: why
	KindFiring   Kind = 'X' // firing has begun
	KindFenced   Kind = 'F' // Text: a Report; the guard's last words, or an unclean one while it goes on trying
)

// MaxFrame is the size of the largest frame in bytes.
const MaxFrame = 64 << 10

const frameHeader = 9

// Frame is one packet on the control socket: a kind, a number and a text.
type Frame struct {
	Kind Kind
	Arg  int64
	Text string
}

// AppendBinary appends the packet to b. It never fails.
func (f Frame) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(f.Kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.Arg))
	return append(b, f.Text...), nil
}

// ParseFrame reads a packet.
func ParseFrame(b []byte) (Frame, error) {
	if len(b) < frameHeader {
		return Frame{}, errors.New("control packet is shorter than its header")
	}
	return Frame{Kind: Kind(b[0]), Arg: int64(binary.LittleEndian.Uint64(b[1:9])), Text: string(b[9:])}, nil
}

// Owed is something that has to be undone when the lease ends: an address of an interface, or a mount.
type Owed struct {
	Address   string // CIDR
	Interface string
	Mount     string
}

// String gives the form that ParseOwed reads: three fields with tabs between them.
func (o Owed) String() string { return o.Address + "\t" + o.Interface + "\t" + o.Mount }

// ParseOwed reads what Owed.String wrote and checks it: either an address with an interface, or a mount point.
func ParseOwed(s string) (Owed, error) {
	f := strings.Split(s, "\t")
	if len(f) != 3 || strings.ContainsAny(s, "\n\x00") {
		return Owed{}, errors.New("obligation: want ADDRESS, INTERFACE and MOUNT without tabs or line ends in them")
	}
	o := Owed{Address: f[0], Interface: f[1], Mount: f[2]}
	switch {
	case o.Mount != "" && o.Address == "" && o.Interface == "" && o.Mount[0] == '/':
		return o, nil
	case o.Mount != "" || o.Address == "" || o.Interface == "" || len(o.Interface) > 15:
		return Owed{}, errors.New("obligation: want either an address with its interface, or an absolute mount point")
	}
	if _, err := parseAddress(o); err != nil {
		return Owed{}, err
	}
	return o, nil
}

// State is what a guard tells a daemon that attaches.
type State struct {
	Version     string // of its program; "": older than guards that say so
	Incarnation string
	Lease       int64 // CLOCK_BOOTTIME nanoseconds; 0: none was given yet
	Owed        []Owed
	Watchdog    string   // what the hardware watchdog that it feeds calls itself; "": it feeds none, or is older than guards that say so
	Warnings    []string // what could not be had: real-time priority, locked memory
}

// Encode gives the form that ParseState reads: lines of KEY VALUE.
func (s State) Encode() string {
	var b strings.Builder
	b.WriteString("version " + s.Version + "\n")
	b.WriteString("incarnation " + s.Incarnation + "\n")
	b.WriteString("lease " + itoa(s.Lease) + "\n")
	for _, o := range s.Owed {
		b.WriteString("owed " + o.String() + "\n")
	}
	if s.Watchdog != "" {
		b.WriteString("watchdog " + oneLine(s.Watchdog) + "\n")
	}
	for _, w := range s.Warnings {
		b.WriteString("warning " + oneLine(w) + "\n")
	}
	return b.String()
}

// ParseState reads what State.Encode wrote. Lines with unknown keys are passed over.
func ParseState(text string) (State, error) {
	var s State
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "version":
			s.Version = value
		case "incarnation":
			s.Incarnation = value
		case "lease":
			n, err := atoi(value)
			if err != nil {
				return State{}, errors.New("guard state: lease is not a number")
			}
			s.Lease = n
		case "owed":
			o, err := ParseOwed(value)
			if err != nil {
				return State{}, err
			}
			s.Owed = append(s.Owed, o)
		case "watchdog":
			s.Watchdog = value
		case "warning":
			s.Warnings = append(s.Warnings, value)
		}
	}
	return s, nil
}

// Report says what a guard did when it fenced.
type Report struct {
	Incarnation string
	Reason      string // "lease ended", "daemon died", "told to"
	Took        int64  // nanoseconds from the trigger until everything was undone
	Clean       bool   // nothing survived, every address and mount is gone
	Problems    []string
}

// Encode gives the form that ParseReport reads: lines of KEY VALUE.
func (r Report) Encode() string {
	clean := "no"
	if r.Clean {
		clean = "yes"
	}
	s := "incarnation " + r.Incarnation + "\nreason " + oneLine(r.Reason) + "\ntook " + itoa(r.Took) + "\nclean " + clean + "\n"
	for _, p := range r.Problems {
		s += "problem " + oneLine(p) + "\n"
	}
	return s
}

// ParseReport reads what Report.Encode wrote. Lines with unknown keys are passed over; what is missing stays zero, so a cut report is not clean.
func ParseReport(text string) Report {
	var r Report
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "incarnation":
			r.Incarnation = value
		case "reason":
			r.Reason = value
		case "took":
			r.Took, _ = atoi(value)
		case "clean":
			r.Clean = value == "yes"
		case "problem":
			r.Problems = append(r.Problems, value)
		}
	}
	return r
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

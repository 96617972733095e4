package control

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/shell"
)

// supposed is a change as it was written.
type supposed struct {
	operation  string
	names      []string
	all        bool // the operand +
	nodes      []cluster.NodeName
	properties []string
	settings   []check.Setting
	manage     bool // -M
	scalable   bool // -S
	force      bool // -F
	seconds    *int // -T
}

// suppose reads a change as it would be written on the command line.
func suppose(text string) (supposed, error) {
	var s supposed
	no := func(format string, args ...any) (supposed, error) {
		return s, fault.Errorf(fault.Invalid, "%q can not be supposed: %w", text, fault.Errorf(fault.Invalid, format, args...))
	}
	words, err := shell.Words(text)
	if err != nil {
		return no("%w", err)
	}
	if len(words) > 0 && words[0] == "redoubt" {
		words = words[1:]
	}
	known := make([]string, 0, len(supposable))
	for name := range supposable {
		known = append(known, name)
	}
	slices.Sort(known)
	if len(words) >= 2 {
		s.operation = words[0] + " " + words[1]
	}
	what, ok := supposable[s.operation]
	if !ok {
		return s, fault.Errorf(fault.Invalid, "%q can not be supposed; %s", text, check.DidYouMean(s.operation, known, "a plan knows "+strings.Join(known, ", ")))
	}
	if err := s.parse(what.flags, words[2:]); err != nil {
		return no("%w", err)
	}
	settings, ps := check.ParseSettings(s.operation, s.properties)
	s.settings = settings
	if len(s.names) == 0 && (!s.all || s.operation == "group create") && s.operation != "cluster set" {
		return no("it names no %s", words[0])
	}
	return s, ps.Err()
}

// parse takes the flags and the operands of a change.
func (s *supposed) parse(letters string, args []string) error {
	flags := pflag.NewFlagSet(s.operation, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	var nodes []string
	var ignored bool
	seconds := -1
	var takes []string
	for _, l := range letters {
		short := string(l)
		if l != 'w' {
			takes = append(takes, "-"+short)
		}
		switch l {
		case 'n':
			flags.StringSliceVarP(&nodes, "node", short, nil, "")
		case 'p':
			flags.StringArrayVarP(&s.properties, "property", short, nil, "")
		case 'M':
			flags.BoolVarP(&s.manage, "manage", short, false, "")
		case 'S':
			flags.BoolVarP(&s.scalable, "scalable", short, false, "")
		case 'F':
			flags.BoolVarP(&s.force, "force", short, false, "")
		case 'T':
			flags.IntVarP(&seconds, "timeout", short, -1, "")
			flags.BoolVar(&ignored, "no-wait", false, "")
		case 'w':
			flags.IntVar(&seconds, "timeout", -1, "")
			flags.BoolVar(&ignored, "no-wait", false, "")
		default:
			flags.BoolVarP(&ignored, map[rune]string{'e': "enable", 'm': "monitor", 'k': "kill", 'y': "yes"}[l], short, false, "")
		}
	}
	if err := flags.Parse(args); err != nil {
		if len(takes) == 0 {
			return fault.Errorf(fault.Invalid, "%w; %s takes no flags", err, s.operation)
		}
		return fault.Errorf(fault.Invalid, "%w; %s takes the flags %s", err, s.operation, strings.Join(takes, " "))
	}
	s.names, s.nodes = flags.Args(), nodesOf(nodes)
	if slices.Equal(s.names, []string{"+"}) {
		s.names, s.all = nil, true
	}
	if flags.Changed("timeout") {
		s.seconds = &seconds
	}
	return nil
}

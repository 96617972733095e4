package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// kind is how a flag takes its value.
type kind int

const (
	boolean kind = iota // present or not
	text                // one value
	list                // names separated by commas, may be repeated
	repeat              // one value, may be repeated; commas are part of it
)

// option declares a flag.
type option struct {
	long, short string
	kind        kind
	usage       string
}

// verb declares a command.
type verb struct {
	name, short, example string
	options              []option
	operand              string // its name in the usage line; empty: none are taken
	optional             bool   // no operand means all
	read                 bool   // prints data: takes -o
	destroys             bool   // asks on a terminal: takes -y
	as                   string // "noun verb" of the call, where it differs
}

// noun declares a group of commands and the names it answers to.
type noun struct {
	name, short string
	old         []string
	verbs       []verb
	hidden      bool
}

func (v verb) flags(fs *pflag.FlagSet) {
	for _, o := range v.options {
		switch o.kind {
		case boolean:
			fs.BoolP(o.long, o.short, false, o.usage)
		case text:
			fs.StringP(o.long, o.short, "", o.usage)
		case list:
			fs.StringSliceP(o.long, o.short, nil, o.usage)
		case repeat:
			fs.StringArrayP(o.long, o.short, nil, o.usage)
		}
	}
	if v.read {
		fs.StringP("output", "o", "table", "how to print: table, json or yaml")
	}
	if v.destroys {
		fs.BoolP("yes", "y", false, "do not ask")
	}
}

func (v verb) use() string {
	switch {
	case v.operand == "":
		return v.name + " [flags]"
	case v.optional:
		return v.name + " [flags] [" + v.operand + "...]"
	}
	return v.name + " [flags] " + v.operand + "..."
}

func (v verb) args(_ *cobra.Command, args []string) error {
	switch {
	case v.operand == "" && len(args) > 0:
		return usageError{err: fmt.Errorf("%s takes no operand, but was given %q", v.name, args[0])}
	case v.operand != "" && !v.optional && len(args) == 0:
		return usageError{err: fmt.Errorf("%s needs the name of at least one %s", v.name, v.operand)}
	case len(args) > 1:
		for _, a := range args {
			if a == "+" {
				return usageError{err: errors.New(`the operand "+" means all and stands alone`)}
			}
		}
	}
	return nil
}

// call reads the parsed command line into a Call.
func (v verb) call(nounName string, fs *pflag.FlagSet, args []string) Call {
	c := Call{Noun: nounName, Verb: v.name, Flags: map[string][]string{}}
	if v.as != "" {
		_, _ = fmt.Sscan(v.as, &c.Noun, &c.Verb)
	}
	if len(args) == 1 && args[0] == "+" || len(args) == 0 && v.optional {
		c.All = true
	} else {
		c.Operands = args
	}
	for _, o := range v.options {
		f := fs.Lookup(o.long)
		if !f.Changed {
			continue
		}
		if s, ok := f.Value.(pflag.SliceValue); ok {
			c.Flags[o.long] = s.GetSlice()
		} else if o.kind != boolean || f.Value.String() == "true" {
			c.Flags[o.long] = []string{f.Value.String()}
		}
	}
	return c
}

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// kind is how a flag takes its value.
type kind int

const (
	boolean kind = iota // present or not
	text                // one value
	number              // one whole number
	list                // names separated by commas, may be repeated
	repeat              // one value, may be repeated; commas are part of it
)

// option declares a flag.
type option struct {
	long, short string
	kind        kind
	usage       string
}

// field is the name of the flag's value in the body of a call.
func (o option) field() string { return camel(o.long) }

// camel turns a flag's name into the form of the API: no-wait becomes noWait.
func camel(name string) string {
	words := strings.Split(name, "-")
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}

// action carries out a command that is more than one call.
type action func(c *cobra.Command, e Env, call Call, args []string) error

// verb declares a command.
type verb struct {
	name, short, example string
	options              []option
	operand              string // its name in the usage line; empty: none are taken
	kind                 string // the noun whose objects the operands are, for completion; empty: that of the command
	optional             bool   // no operand means all
	read                 bool   // changes nothing
	destroys             bool   // asks on a terminal: takes -y
	long                 bool   // takes its time: shows progress
	format               string // how it prints unless -o says so; "table" if empty
	as                   string // "noun verb" of the call, where it differs
	hidden               bool
	act                  action // nil: one call, and its answer is printed
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
		case number:
			fs.IntP(o.long, o.short, 0, o.usage)
		case list:
			fs.StringSliceP(o.long, o.short, nil, o.usage)
		case repeat:
			fs.StringArrayP(o.long, o.short, nil, o.usage)
		}
	}
	if v.operand != schaOperand {
		format := v.format
		if format == "" {
			format = "table"
		}
		fs.StringP("output", "o", format, "how to print the answer: table, json or yaml")
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
	case v.operand == fileOperand:
		return v.name + " [flags] " + v.operand
	}
	return v.name + " [flags] " + v.operand + "..."
}

// fileOperand names the operand of a command that takes one file of this machine.
const fileOperand = "FILE"

func (v verb) args(_ *cobra.Command, args []string) error {
	switch {
	case v.operand == "" && len(args) > 0:
		return usageError{err: fmt.Errorf("%s takes no operand, but was given %q", v.name, args[0])}
	case v.operand == fileOperand && len(args) != 1:
		return usageError{err: fmt.Errorf("%s needs one operand, the name of a file", v.name)}
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
func (v verb) call(nounName string, fs *pflag.FlagSet, args []string) (Call, error) {
	c := Call{Noun: nounName, Verb: v.name, Read: v.read, Body: map[string]any{}}
	if v.as != "" {
		_, _ = fmt.Sscan(v.as, &c.Noun, &c.Verb)
	}
	switch {
	case v.operand == "" || v.operand == fileOperand:
	case len(args) == 1 && args[0] == "+":
		c.Body["all"] = true
	case len(args) > 0:
		c.Body["names"] = args
	case v.optional && v.operand != schaOperand:
		c.Body["all"] = true
	}
	for _, o := range v.options {
		f := fs.Lookup(o.long)
		if !f.Changed {
			continue
		}
		var value any
		var err error
		switch o.kind {
		case boolean:
			value, err = fs.GetBool(o.long)
		case text:
			value, err = fs.GetString(o.long)
		case number:
			var n int
			if n, err = fs.GetInt(o.long); err == nil && n < 0 {
				err = fmt.Errorf("--%s %d: want a number that is not below 0", o.long, n)
			}
			value = n
		case list:
			value, err = fs.GetStringSlice(o.long)
		case repeat:
			value, err = fs.GetStringArray(o.long)
		}
		if err != nil {
			return c, usageError{err: err}
		}
		c.Body[o.field()] = value
	}
	return c, nil
}

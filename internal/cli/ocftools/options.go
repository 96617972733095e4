package ocftools

import (
	"fmt"
	"strings"
)

// takes says whether an option has a value.
type takes int

const (
	nothing takes = iota
	aValue
	maybe // only attached: -pNAME, --promotion=NAME
)

// option is one option under all the names that agents use for it; letters are one character long.
type option struct {
	name  string // under which it is looked up
	takes takes
	names string // separated by spaces
}

// options are those that were given. The last of several counts. order has their names as they came.
type options struct {
	values map[string]string
	order  []string
}

func (o options) has(name string) bool        { _, ok := o.values[name]; return ok }
func (o options) get(name string) string      { return o.values[name] }
func (o *options) set(name, value string)     { o.values[name] = value; o.order = append(o.order, name) }
func (o options) last(names ...string) string { return lastOf(o.order, names) }

func lastOf(order, names []string) string {
	for i := len(order) - 1; i >= 0; i-- {
		for _, n := range names {
			if order[i] == n {
				return n
			}
		}
	}
	return ""
}

// parseOptions reads arguments as getopt_long does. Operands are passed over: agents leave some behind where a variable was empty.
func parseOptions(known []option, args []string) (options, error) {
	byName := map[string]option{}
	for _, k := range known {
		for n := range strings.FieldsSeq(k.names) {
			byName[n] = k
		}
	}
	o := options{values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return o, nil
		case strings.HasPrefix(a, "--"):
			name, value, attached := strings.Cut(a[2:], "=")
			k, ok := byName[name]
			switch {
			case !ok || len(name) == 1:
				return o, fmt.Errorf("unknown option --%s", name)
			case k.takes == nothing && attached:
				return o, fmt.Errorf("option --%s takes no value", name)
			case k.takes == aValue && !attached:
				if i++; i == len(args) {
					return o, fmt.Errorf("option --%s needs a value", name)
				}
				value = args[i]
			}
			o.set(k.name, value)
		case len(a) > 1 && a[0] == '-':
			used, err := o.letters(byName, a[1:], args[i+1:])
			if err != nil {
				return o, err
			}
			i += used
		}
	}
	return o, nil
}

// letters reads one argument of letters; used is how many of the following arguments belong to it.
func (o *options) letters(byName map[string]option, letters string, next []string) (used int, err error) {
	for len(letters) > 0 {
		letter := letters[:1]
		letters = letters[1:]
		k, ok := byName[letter]
		switch {
		case !ok:
			return 0, fmt.Errorf("unknown option -%s", letter)
		case k.takes == nothing:
			o.set(k.name, "")
		case k.takes == maybe, letters != "":
			o.set(k.name, letters)
			return 0, nil
		case len(next) == 0:
			return 0, fmt.Errorf("option -%s needs a value", letter)
		default:
			o.set(k.name, next[0])
			return 1, nil
		}
	}
	return 0, nil
}

package execsec

import (
	"reflect"
	"slices"
	"strings"

	"redoubt/internal/shell"
)

// Bounds on what is tried to find what a word stands for.
const (
	mostValues   = 8
	longestValue = 4096
	mostLookups  = 512 // in one command
)

// readers are commands that give variables values which are not seen.
var readers = list("read getopts mapfile readarray printf let")

// learn notes which variables the commands of a text give values. One that stands before a command is for that command's environment only, and is not among them.
func (c *Command) learn(commands []shell.Command) {
	for _, command := range commands {
		words := command.Words
		declares := len(words) > 0 && slices.Contains(declarers, words[0].Text)
		i := slices.IndexFunc(words, func(w shell.Word) bool {
			_, _, ok := assignment(w.Text)
			return !ok
		})
		switch {
		case declares, i < 0:
			for _, w := range words {
				if name, value, ok := assignment(w.Text); ok {
					w.Text = value
					if len(w.Parts) > 0 { // NAME= is in the first
						w.Parts = slices.Clone(w.Parts)
						w.Parts[0].Text = w.Parts[0].Text[len(name)+1:]
					}
					c.give(name, w)
				}
			}
		case slices.Contains(readers, words[i].Text):
			for _, w := range words[i+1:] {
				name, _, _ := strings.Cut(w.Text, "=")
				c.give(name, shell.Word{Unknown: true})
			}
		}
	}
}

// give notes one more value of a variable.
func (c *Command) give(name string, value shell.Word) {
	if c.given == nil {
		c.given = map[string][]shell.Word{}
	}
	if !slices.ContainsFunc(c.given[name], func(w shell.Word) bool { return reflect.DeepEqual(w, value) }) {
		c.given[name] = append(c.given[name], value)
	}
}

// stands is what a word that is made of variables may stand for: the words of each possibility. False: that is not seen.
func (c *Command) stands(w shell.Word) (out [][]shell.Word, seen bool) {
	texts, seen := c.expand(w.Parts, 0)
	taken := slices.ContainsFunc(w.Parts, func(p shell.Part) bool { return p.Variable && !p.Quoted }) // apart, where a value has spaces
	for _, text := range texts {
		words := []string{text}
		if taken {
			words = strings.Fields(text)
		}
		if strings.ContainsFunc(text, special) || !taken && strings.Contains(text, " ") || len(words) > 0 && strings.Contains(words[0], "=") {
			return nil, false
		}
		one := make([]shell.Word, len(words))
		for i, word := range words {
			one[i].Text = word
		}
		out = append(out, one)
	}
	return out, seen
}

// special reports whether a shell may make something else of a character.
func special(r rune) bool {
	return r < 0x80 && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("_./+:@%=,- ", r)
}

// expand puts the values of variables in their places.
func (c *Command) expand(parts []shell.Part, depth int) (texts []string, seen bool) {
	if c.lookups++; len(parts) == 0 || depth > maxNestedCommands || c.lookups > mostLookups {
		return nil, false
	}
	texts = []string{""}
	for _, p := range parts {
		values := []string{p.Text}
		if p.Variable {
			if values, seen = c.values(p.Text, depth); !seen {
				return nil, false
			}
		} else if strings.Contains(p.Text, " ") {
			return nil, false
		}
		var next []string
		for _, before := range texts {
			for _, value := range values {
				if next = append(next, before+value); len(next) > mostValues || len(before)+len(value) > longestValue {
					return nil, false
				}
			}
		}
		texts = next
	}
	return texts, true
}

// values are those that a variable may have.
func (c *Command) values(name string, depth int) (out []string, seen bool) {
	for _, w := range c.given[name] {
		some := []string{w.Text}
		if w.Unknown {
			if some, seen = c.expand(w.Parts, depth+1); !seen {
				return nil, false
			}
		}
		out = append(out, some...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out, len(out) > 0
}

// behind looks at a command whose name is made of variables.
func (c *Command) behind(words []shell.Word, depth int) input {
	meanings, seen := c.stands(words[0])
	if !seen {
		c.Unseen = append(c.Unseen, Mention{words[0].Text, c.users, c.aside})
		c.mention(c.users, words...)
		return isData
	}
	stdin := isData
	for _, m := range meanings {
		stdin = max(stdin, c.run(append(m, words[1:]...), depth+1))
	}
	return stdin
}

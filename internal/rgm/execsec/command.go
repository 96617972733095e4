package execsec

import (
	"slices"
	"strings"
)

// Command is what a shell command runs, or reads as code, as far as that can be seen without running it. What only the shell can know (a variable, the
// output of another command) is left out; the text itself is a property, which only an administrator sets.
type Command struct {
	// Programs are the words where a command is expected; the first is the one that the command is about.
	Programs []string
	// Code are files and folders from which an interpreter, the shell or the loader reads code. The files need not be executable.
	Code []string
	// Mentions are absolute paths in all other words: where one is an executable file, something may run it.
	Mentions []Mention
	// Path are folders that the command puts into PATH itself.
	Path []string
}

// Mention is an absolute path in a word of a command.
type Mention struct {
	Path string
	// Users are the names or numbers of whom the command becomes before it goes on (su, setpriv ...), none for most.
	Users []string
}

// maxNestedCommands is how many commands may stand one within the other. What is deeper is still a word of those outside.
const maxNestedCommands = 8

// Parse takes a command for /bin/sh apart, with the commands within it (sh -c '...').
func Parse(text string) Command {
	var c Command
	c.parse(text, 0)
	return c
}

// ParseWords is Parse for a command that is given by its words, which no shell reads.
func ParseWords(texts ...string) Command {
	var c Command
	words := make([]shellWord, len(texts))
	for i, text := range texts {
		words[i].text = text
	}
	c.simple(words, 0)
	return c
}

func (c *Command) parse(text string, depth int) {
	if depth > maxNestedCommands {
		return // sh -c within sh -c and so on: the words outside were looked at as a whole
	}
	words := shellWords(text)
	for len(words) > 0 {
		n := slices.IndexFunc(words, func(w shellWord) bool { return w.separator })
		if n < 0 {
			n = len(words)
		}
		c.simple(words[:n], depth)
		words = words[min(n+1, len(words)):]
	}
}

// simple looks at one command: NAME=VALUE ... WRAPPER ... PROGRAM ARGUMENT ...
func (c *Command) simple(all []shellWord, depth int) {
	var words []shellWord
	var input []shellWord
	for _, w := range all {
		switch w.redirect {
		case 0:
			words = append(words, w)
		case '<':
			input = append(input, w)
		}
	}
	reads := false // what stands on its standard input is code
	for len(words) > 0 {
		w := words[0]
		if name, value, ok := assignment(w.text); ok {
			c.assign(name, value)
			c.mention(nil, w)
			words = words[1:]
			continue
		}
		if keywords[w.text] {
			words = words[1:]
			continue
		}
		if w.unknown {
			c.mention(nil, words...)
			break
		}
		if slices.Contains(declarers, w.text) {
			for _, w := range words[1:] {
				if name, value, ok := assignment(w.text); ok {
					c.assign(name, value)
				}
			}
			c.mention(nil, words[1:]...)
			break
		}
		base := w.text[strings.LastIndexByte(w.text, '/')+1:]
		if wrap, ok := wrappers[base]; ok {
			c.mention(nil, w)
			words = c.wrapped(wrap, words[1:], depth)
			continue
		}
		c.Programs = append(c.Programs, w.text)
		reads = c.program(base, words, depth)
		break
	}
	for _, w := range input {
		if reads {
			c.code(w)
		}
		c.mention(nil, w)
	}
}

// program looks at the arguments of a program, which is the first of words, and reports whether it takes code from its standard input.
func (c *Command) program(base string, words []shellWord, depth int) bool {
	rest := words[1:]
	changer, changes := changers[base]
	switch {
	case base == "redoubt" && len(rest) > 0 && rest[0].text == "run-as", base == "scha_check_app_user":
		return false // they hold what follows to the same rule themselves
	case changes:
		c.mention(changer.becomes(rest), rest...)
		return false
	case base == "eval":
		var text []string
		for _, w := range rest {
			text = append(text, w.text)
		}
		c.parse(strings.Join(text, " "), depth+1)
	}
	kind, ok := interpreterOf(base)
	if !ok {
		c.mention(nil, rest...)
		return false
	}
	return c.interpreter(kind, rest, depth)
}

// wrapped skips the options and arguments of a command that runs the command which follows them.
func (c *Command) wrapped(wrap wrapper, words []shellWord, depth int) []shellWord {
	for positional := wrap.positional; len(words) > 0; {
		w := words[0]
		option, rest := w.text, words[1:]
		switch {
		case option == "--":
			c.mention(nil, rest[:min(positional, len(rest))]...)
			return rest[min(positional, len(rest)):]
		case len(option) > 1 && (option[0] == '-' || option[0] == '+'):
			c.mention(nil, w)
			if slices.Contains(wrap.commands, option) && len(rest) > 0 {
				c.mention(nil, rest[0])
				c.parse(rest[0].text, depth+1)
				return nil
			}
			if text := attached(option, wrap.commands); text != "" {
				c.parse(text, depth+1)
				return nil
			}
			if slices.Contains(wrap.values, option) && len(rest) > 0 {
				c.mention(nil, rest[0])
				rest = rest[1:]
			}
			words = rest
		case wrap.assignments && strings.Contains(option, "="):
			return words
		case positional > 0:
			c.mention(nil, w)
			positional--
			words = rest
			if positional == 0 && len(rest) > 1 && slices.Contains(wrap.commands, rest[0].text) {
				c.mention(nil, rest[1])
				c.parse(rest[1].text, depth+1)
				return nil
			}
		default:
			return words
		}
	}
	return nil
}

// attached is the value that a word has together with one of options: -Stext, --split-string=text; "" when there is none.
func attached(word string, options []string) string {
	for _, o := range options {
		if text, ok := strings.CutPrefix(word, o); ok {
			return strings.TrimPrefix(text, "=")
		}
	}
	return ""
}

// interpreter looks at the arguments of a program that runs a file, and reports whether it reads its standard input instead.
func (c *Command) interpreter(kind interpreter, words []shellWord, depth int) bool {
	inline := false // the next plain word is a command for the shell
	for i := 0; i < len(words); i++ {
		w := words[i]
		next := func() (shellWord, bool) {
			i++
			return words[min(i, len(words)-1)], i < len(words)
		}
		switch option := w.text; {
		case len(option) > 1 && (option[0] == '-' || option[0] == '+' && kind.shell):
			c.mention(nil, w)
			switch {
			case option == "--":
			case kind.shell && option == "-s":
				c.mention(nil, words[i+1:]...)
				return true
			case kind.shell && option[1] != '-': // -euo pipefail, -ec, +eo
				inline = inline || option[0] == '-' && strings.Contains(option, "c")
				if strings.HasSuffix(strings.ToLower(option), "o") {
					if v, ok := next(); ok {
						c.mention(nil, v)
					}
				}
			case slices.Contains(kind.code, option), kind.cluster(option, kind.code) == option[1:]:
				if v, ok := next(); ok && !library(option, v.text) {
					c.codes(v)
				}
				if option == "-jar" {
					c.mention(nil, words[min(i+1, len(words)):]...)
					return false
				}
			case kind.attached(option) != "": // -I/a, --file=/a
				c.codes(shellWord{text: kind.attached(option)})
			case slices.Contains(kind.inline, option), kind.flags != "" && kind.cluster(option, kind.inline) != "":
				c.mention(nil, words[i+1:]...)
				return false
			case slices.Contains(kind.values, option), kind.cluster(option, kind.values) == option[1:]:
				if v, ok := next(); ok {
					c.mention(nil, v)
				}
			default:
				if name, value, ok := strings.Cut(option, ":"); ok && slices.Contains(kind.joined, name) {
					value, _, _ = strings.Cut(value, "=")
					c.code(shellWord{text: value, unknown: w.unknown})
				}
			}
		case option == "-": // standard input
			c.mention(nil, words[i+1:]...)
			return true
		case inline:
			c.parse(option, depth+1)
			c.mention(nil, words[i:]...)
			return false
		default:
			if kind.noScript {
				c.mention(nil, w) // the text of a program for awk
			} else {
				c.code(w)
			}
			c.mention(nil, words[i+1:]...)
			return false
		}
	}
	return !kind.noScript
}

// assign looks at a variable from which programs or code are found.
func (c *Command) assign(name, value string) {
	if program, ok := optionVariables[name]; ok {
		kind := interpreters[program]
		kind.noScript = true
		c.interpreter(kind, shellWords(value), 0)
		return
	}
	if !slices.Contains(codeVariables, name) {
		return
	}
	for _, p := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' }) {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "$`") {
			continue
		}
		c.Code = append(c.Code, p)
		if name == "PATH" {
			c.Path = append(c.Path, p)
		}
	}
}

func (c *Command) code(w shellWord) {
	if w.text != "" && !w.unknown {
		c.Code = append(c.Code, w.text)
	}
}

// codes is a list as that of a class path.
func (c *Command) codes(w shellWord) {
	for p := range strings.SplitSeq(w.text, ":") {
		c.code(shellWord{text: strings.TrimSuffix(p, "/*"), unknown: strings.ContainsAny(p, "$`")})
	}
}

// mention notes the paths in words.
func (c *Command) mention(users []string, words ...shellWord) {
	for _, w := range words {
		for _, p := range paths(w) {
			c.Mentions = append(c.Mentions, Mention{Path: p, Users: users})
		}
	}
}

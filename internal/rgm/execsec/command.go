package execsec

import (
	"fmt"
	"slices"
	"strings"

	"redoubt/internal/shell"
)

// Command is what a shell command runs, or reads as code, as far as that can be seen without running it. What only the shell can know (the output of another command, a variable that
// the command gives no plain value) is left out, and noted where a program's name is made of it.
type Command struct {
	// Programs are the words where a command is expected; the first that is not aside is the one that the command is about.
	Programs []Mention
	// Code are files and folders from which an interpreter, the shell or the loader reads code. The files need not be executable.
	Code []Mention
	// Mentions are absolute paths in all other words: where one is an executable file, something may run it.
	Mentions []Mention
	// Path are folders that the command puts into PATH itself.
	Path []string
	// Unseen are words in the place of a program, or of a file with code, that are made of what only the shell can know.
	Unseen []Mention
	// Unclear says, for each part of which it can not be seen what it runs, why.
	Unclear []string

	users []string // whom what is looked at now runs as
	aside bool     // what is looked at now is not what the command is about
	fed   []string // what find or xargs put other words in place of

	given   map[string][]shell.Word // the values that the command gives to variables
	lookups int
}

// Mention is a word or a path in a command.
type Mention struct {
	Path string
	// Users are the names or numbers of whom the command becomes before it goes on (su, setpriv ...), none for most.
	Users []string
	// Aside says that the command is about another program, which has this one run or be run for it.
	Aside bool
}

// maxNestedCommands is how many commands may stand one within the other.
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
	words := make([]shell.Word, len(texts))
	for i, text := range texts {
		words[i].Text = text
	}
	c.run(words, 0)
	return c
}

func (c *Command) unclear(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.Unclear, text) {
		c.Unclear = append(c.Unclear, text)
	}
}

func (c *Command) parse(text string, depth int) {
	if depth > maxNestedCommands {
		c.unclear("it has more than %d commands one within the other", maxNestedCommands)
		return
	}
	commands, err := shell.Commands(text)
	if err != nil {
		c.unclear("%.60q is no text for a shell: %v", text, err)
	}
	outer := c.aside
	defer func() { c.aside = outer }()
	c.learn(commands)
	for _, command := range commands {
		c.aside = outer || command.Within
		c.mention(c.users, command.Other...)
		stdin := c.run(command.Words, depth)
		if stdin != isData && command.Piped && len(command.Input)+len(command.Here) == 0 {
			c.unclear("another command writes the code that %s runs", command.Words[0].Text)
		}
		for _, w := range command.Input {
			if stdin != isData {
				c.code(w)
			}
			c.mention(c.users, w)
		}
		for _, w := range command.Here {
			if stdin == isScript {
				c.parse(w.Text, depth+1)
			}
			c.mention(c.users, w)
		}
	}
}

// input is what a command takes its standard input for.
type input int

const (
	isData   input = iota
	isCode         // of some language
	isScript       // of the shell
)

// run looks at one command: NAME=VALUE ... WRAPPER ... PROGRAM ARGUMENT ...
func (c *Command) run(words []shell.Word, depth int) input {
	if depth > maxNestedCommands {
		c.unclear("it has more than %d commands one within the other", maxNestedCommands)
		return isData
	}
	defer func(fed []string) { c.fed = fed }(c.fed)
	wrapped := ""
	for len(words) > 0 {
		w := words[0]
		if name, value, ok := assignment(w.Text); ok {
			c.assign(name, value)
			c.mention(c.users, w)
			words = words[1:]
			continue
		}
		if w.Unknown {
			stdin := c.behind(words, depth)
			if wrapped == "xargs" && stdin != isData {
				c.unclear("xargs gives a program code to run that is not seen")
			}
			return stdin
		}
		if slices.Contains(declarers, w.Text) {
			for _, w := range words[1:] {
				if name, value, ok := assignment(w.Text); ok {
					c.assign(name, value)
				}
			}
			c.mention(c.users, words[1:]...)
			return isData
		}
		base := w.Text[strings.LastIndexByte(w.Text, '/')+1:]
		wrap, ok := wrappers[base]
		if !ok {
			if !c.isFed(w) {
				c.Programs = append(c.Programs, Mention{w.Text, c.users, c.aside})
			}
			stdin := c.program(base, words, depth)
			if wrapped == "xargs" && stdin != isData {
				c.unclear("xargs gives %s code to run that is not seen", base)
			}
			return stdin
		}
		c.mention(c.users, w)
		if base == "xargs" {
			c.fed = append(slices.Clone(c.fed), places(words[1:])...)
			wrapped = base
		}
		words = c.wrapped(wrap, words[1:], depth)
		if len(words) == 0 && wrapped == "xargs" && base != wrapped {
			c.unclear("xargs gives %s a program to run that is not seen", base)
		}
	}
	return isData
}

// isFed says whether find or xargs put into a word what is not seen.
func (c *Command) isFed(w shell.Word) bool {
	for _, place := range c.fed {
		if place != "" && strings.Contains(w.Text, place) {
			c.unclear("a program or its code is named by %s, and what that stands for is not seen", place)
			return true
		}
	}
	return false
}

// places are what xargs puts words in place of.
func places(words []shell.Word) []string {
	out := []string{"{}"}
	for i, w := range words {
		if w.Text == "-I" && i+1 < len(words) {
			out = append(out, words[i+1].Text)
		}
		out = append(out, attached(w.Text, []string{"-I", "--replace="}))
	}
	return out
}

// program looks at the arguments of a program, which is the first of words, and says what its standard input is.
func (c *Command) program(base string, words []shell.Word, depth int) input {
	rest := words[1:]
	changer, changes := changers[base]
	outer := c.aside
	defer func() { c.aside = outer }()
	c.aside = outer || base != "eval"
	switch {
	case base == "redoubt" && len(rest) > 0 && rest[0].Text == "run-as", base == "scha_check_app_user":
		return isData // they hold what follows to the same rule themselves
	case elsewhere[base] != "":
		c.unclear("%s %s", base, elsewhere[base])
		c.mention(c.users, rest...)
		return isData
	case base == "eval":
		c.parse(join(rest), depth+1)
	case base == "watch":
		c.parse(join(c.wrapped(wrapper{values: list("-n --interval")}, rest, depth)), depth+1)
	case changes:
		return c.changed(base, changer, rest, depth)
	case base == "trap" && len(rest) > 0 && !rest[0].Unknown:
		c.parse(rest[0].Text, depth+1)
	case base == "alias":
		for _, w := range rest {
			if _, value, ok := strings.Cut(w.Text, "="); ok && !w.Unknown {
				c.parse(value, depth+1)
			}
		}
	case base == "find":
		c.found(rest, depth)
	case base == "ip":
		c.networked(rest, depth)
	case base == "ssh":
		c.remote(rest, depth)
	}
	c.aside = outer
	kind, ok := interpreterOf(base)
	if !ok {
		c.mention(c.users, rest...)
		return isData
	}
	return c.interpreter(kind, rest, depth)
}

func join(words []shell.Word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Text
	}
	return strings.Join(texts, " ")
}

// wrapped skips the options and arguments of a command that runs the command which follows them.
func (c *Command) wrapped(wrap wrapper, words []shell.Word, depth int) []shell.Word {
	for positional := wrap.positional; len(words) > 0; {
		w := words[0]
		option, rest := w.Text, words[1:]
		switch {
		case option == "--":
			c.mention(c.users, rest[:min(positional, len(rest))]...)
			return rest[min(positional, len(rest)):]
		case len(option) > 1 && (option[0] == '-' || option[0] == '+'):
			c.mention(c.users, w)
			if slices.Contains(wrap.commands, option) && len(rest) > 0 {
				c.mention(c.users, rest[0])
				c.parse(rest[0].Text, depth+1)
				return nil
			}
			if text := attached(option, wrap.commands); text != "" {
				c.parse(text, depth+1)
				return nil
			}
			if slices.Contains(wrap.values, option) && len(rest) > 0 {
				c.mention(c.users, rest[0])
				rest = rest[1:]
			}
			words = rest
		case wrap.assignments && strings.Contains(option, "="):
			return words
		case positional > 0:
			c.mention(c.users, w)
			positional--
			words = rest
			if positional == 0 && len(rest) > 1 && slices.Contains(wrap.commands, rest[0].Text) {
				c.mention(c.users, rest[1])
				c.parse(rest[1].Text, depth+1)
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

// interpreter looks at the arguments of a program that runs a file, and says what its standard input is.
func (c *Command) interpreter(kind interpreter, words []shell.Word, depth int) input {
	stdin := isCode
	if kind.shell {
		stdin = isScript
	}
	inline := false // the next plain word is a command for the shell
	for i := 0; i < len(words); i++ {
		w := words[i]
		next := func() (shell.Word, bool) {
			i++
			return words[min(i, len(words)-1)], i < len(words)
		}
		switch option := w.Text; {
		case len(option) > 1 && (option[0] == '-' || option[0] == '+' && kind.shell):
			c.mention(c.users, w)
			switch {
			case option == "--":
			case kind.shell && option == "-s":
				c.mention(c.users, words[i+1:]...)
				return stdin
			case kind.shell && option[1] != '-': // -euo pipefail, -ec, +eo
				inline = inline || option[0] == '-' && strings.Contains(option, "c")
				if strings.HasSuffix(strings.ToLower(option), "o") {
					if v, ok := next(); ok {
						c.mention(c.users, v)
					}
				}
			case slices.Contains(kind.code, option), kind.cluster(option, kind.code) == option[1:]:
				if v, ok := next(); ok && !library(option, v.Text) {
					c.codes(v)
				}
				if option == "-jar" {
					c.mention(c.users, words[min(i+1, len(words)):]...)
					return isData
				}
			case kind.attached(option) != "": // -I/a, --file=/a
				c.codes(shell.Word{Text: kind.attached(option)})
			case slices.Contains(kind.inline, option), kind.flags != "" && kind.cluster(option, kind.inline) != "":
				c.mention(c.users, words[i+1:]...)
				return isData
			case slices.Contains(kind.values, option), kind.cluster(option, kind.values) == option[1:]:
				if v, ok := next(); ok {
					c.mention(c.users, v)
				}
			default:
				if name, value, ok := strings.Cut(option, ":"); ok && slices.Contains(kind.joined, name) {
					value, _, _ = strings.Cut(value, "=")
					if !w.Unknown {
						c.code(shell.Word{Text: value})
					}
				}
			}
		case option == "-": // standard input
			c.mention(c.users, words[i+1:]...)
			return stdin
		case inline:
			c.parse(option, depth+1)
			c.mention(c.users, words[i:]...)
			return isData
		default:
			if kind.noScript {
				c.mention(c.users, w) // the text of a program for awk
			} else {
				c.code(w)
			}
			c.mention(c.users, words[i+1:]...)
			return isData
		}
	}
	if kind.noScript {
		return isData
	}
	return stdin
}

// assign looks at a variable from which programs or code are found.
func (c *Command) assign(name, value string) {
	if program, ok := optionVariables[name]; ok {
		kind := interpreters[program]
		kind.noScript = true
		words, err := shell.Words(value)
		if err != nil {
			c.unclear("what %s has is no words for a shell: %v", name, err)
		}
		options := make([]shell.Word, len(words))
		for i, w := range words {
			options[i] = shell.Word{Text: w, Unknown: strings.ContainsAny(w, "$`")}
		}
		c.interpreter(kind, options, 0)
		return
	}
	if !slices.Contains(codeVariables, name) {
		return
	}
	library := name == "LD_PRELOAD" || name == "LD_AUDIT" // names of libraries may stand there
	for p := range strings.FieldsFuncSeq(strings.ReplaceAll(":"+value+":", "::", ":.:"), func(r rune) bool { return r == ':' || library && r == ' ' }) {
		switch absolute := strings.HasPrefix(p, "/"); {
		case strings.ContainsAny(p, "$`"):
		case p == "." && !folders(name), library && !strings.Contains(p, "/"): // an empty place means nothing, or it is found among those of the system
		default:
			c.Code = append(c.Code, Mention{Path: p, Users: c.users})
			if name == "PATH" && absolute {
				c.Path = append(c.Path, p)
			}
		}
	}
}

func (c *Command) code(w shell.Word) {
	if w.Text == "" || c.isFed(w) {
		return
	}
	meanings := [][]shell.Word{{w}}
	if w.Unknown {
		var seen bool
		meanings, seen = c.stands(w)
		if seen = seen && !slices.ContainsFunc(meanings, func(m []shell.Word) bool { return len(m) == 0 || strings.HasPrefix(m[0].Text, "-") }); !seen {
			c.Unseen = append(c.Unseen, Mention{w.Text, c.users, c.aside})
			return
		}
	}
	for _, m := range meanings {
		c.Code = append(c.Code, Mention{m[0].Text, c.users, c.aside})
	}
}

// codes is a list as that of a class path.
func (c *Command) codes(w shell.Word) {
	for p := range strings.SplitSeq(w.Text, ":") {
		if !strings.ContainsAny(p, "$`") {
			c.code(shell.Word{Text: strings.TrimSuffix(p, "/*")})
		}
	}
}

// mention notes the paths in words.
func (c *Command) mention(users []string, words ...shell.Word) {
	for _, w := range words {
		for _, p := range paths(w) {
			c.Mentions = append(c.Mentions, Mention{Path: p, Users: users})
		}
	}
}

package execsec

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"redoubt/internal/shell"
)

// changed looks at a command that becomes another user, or goes elsewhere, before it runs what it is given.
func (c *Command) changed(base string, k changer, words []shell.Word, depth int) input {
	told := k.read(words)
	c.mention(told.users, words...)
	defer func(outer []string) { c.users = outer }(c.users)
	c.users = told.users
	for _, text := range told.commands {
		c.parse(text, depth+1)
	}
	program := told.program
	switch {
	case told.leaves != "":
		c.unclear("%s %s has another root, where files of the same name are others", base, told.leaves)
		return isData
	case k.shell && (!told.byOption || !k.plain):
		if program.Unknown {
			c.behind([]shell.Word{program}, depth)
		} else if program.Text != "" {
			c.Programs = append(c.Programs, Mention{program.Text, c.users, c.aside})
		}
		if len(told.commands) > 0 {
			return isData
		}
		kind, _ := interpreterOf("sh")
		return c.interpreter(kind, told.rest, depth)
	case program.Text != "":
		return c.run(append([]shell.Word{program}, told.rest...), depth+1)
	}
	return c.run(told.rest, depth+1)
}

// changing is what a changer is told.
type changing struct {
	users    []string     // whom it becomes
	byOption bool         // an option names him
	commands []string     // for the shell
	program  shell.Word   // or the shell, by an option
	leaves   string       // the option that means another root
	rest     []shell.Word // what it runs, or gives to what it runs
}

// read takes the words after a changer apart.
func (k changer) read(words []shell.Word) (told changing) {
	plainly := false // the user is known by a plain word
	become := func(user string, byOption bool) {
		if !plainly {
			name, _, _ := strings.Cut(user, ":")
			told.users = append(told.users, name)
		}
		told.byOption, plainly = told.byOption || byOption, plainly || !byOption
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		option, value, joined := strings.Cut(w.Text, "=")
		next := func() (shell.Word, bool) {
			i++
			return words[min(i, len(words)-1)], i < len(words)
		}
		command := func(text string) {
			if told.leaves == "" {
				told.commands = append(told.commands, text)
			}
		}
		named := !k.plain || plainly || told.byOption
		switch {
		case w.Text == "--":
			told.rest = words[i+1:]
			if !named && len(told.rest) > 0 {
				become(told.rest[0].Text, false)
				told.rest = told.rest[1:]
			}
			return told
		case k.leaves(w.Text):
			told.leaves = cmp.Or(told.leaves, w.Text)
		case slices.Contains(k.commands, w.Text):
			if v, ok := next(); ok {
				command(v.Text)
			}
		case attached(w.Text, k.commands) != "":
			command(attached(w.Text, k.commands))
		case slices.Contains(k.programs, w.Text):
			if v, ok := next(); ok {
				told.program = v
			}
		case joined && slices.Contains(k.programs, option):
			told.program = shell.Word{Text: value, Unknown: w.Unknown}
		case slices.Contains(k.user, w.Text):
			told.byOption = true
			if v, ok := next(); ok {
				become(v.Text, true)
			}
		case joined && slices.Contains(k.user, option):
			become(value, true)
		case slices.ContainsFunc(k.user, func(o string) bool { return len(o) == 2 && strings.HasPrefix(w.Text, o) }):
			become(w.Text[2:], true)
		case slices.Contains(k.values, w.Text):
			i++
		case strings.HasPrefix(w.Text, "-"):
		case !named:
			become(w.Text, false)
		default:
			told.rest = words[i:]
			return told
		}
	}
	return told
}

// leaves reports whether an option means another root or other mounts.
func (k changer) leaves(word string) bool {
	if strings.HasPrefix(word, "--") {
		option, _, _ := strings.Cut(word, "=")
		return slices.Contains(k.root, option)
	}
	return k.rootLetters != "" && strings.HasPrefix(word, "-") && strings.ContainsAny(word, k.rootLetters) || slices.Contains(k.root, word)
}

// found looks at what find runs.
func (c *Command) found(words []shell.Word, depth int) {
	for i := 0; i < len(words); i++ {
		if !slices.Contains(list("-exec -execdir -ok -okdir"), words[i].Text) {
			continue
		}
		words = words[i+1:]
		i = slices.IndexFunc(words, func(w shell.Word) bool { return w.Text == ";" || w.Text == "+" })
		if i < 0 {
			i = len(words)
		}
		outer := c.fed
		c.fed = append(slices.Clone(outer), "{}")
		c.run(words[:i], depth+1)
		c.fed = outer
	}
}

// networked looks at what ip runs in a network namespace: the files are the same there.
func (c *Command) networked(words []shell.Word, depth int) {
	skip := 3 // netns exec NAME
	for i, w := range words {
		switch {
		case len(w.Text) > 1 && strings.HasPrefix("-all", w.Text):
			skip = 2
		case len(w.Text) > 0 && (strings.HasPrefix("netns", w.Text) || strings.HasPrefix("vrf", w.Text)) && i+1 < len(words) && strings.HasPrefix("exec", words[i+1].Text):
			c.run(words[min(i+skip, len(words)):], depth+1)
			return
		}
	}
}

// remote looks at what ssh runs here: what it reads as configuration, and what it is told to run here. What it runs on another machine is for that machine to judge.
func (c *Command) remote(words []shell.Word, depth int) {
	setting := func(text string) {
		for _, name := range list("ProxyCommand LocalCommand KnownHostsCommand") {
			if len(text) > len(name) && strings.EqualFold(text[:len(name)], name) {
				c.parse(strings.TrimLeft(text[len(name):], "= \t"), depth+1)
			}
		}
	}
	for i := 0; i < len(words); i++ {
		text := words[i].Text
		next := func() shell.Word {
			i++
			if i < len(words) {
				return words[i]
			}
			return shell.Word{}
		}
		switch {
		case text == "-F":
			c.code(next())
		case text == "-o":
			setting(next().Text)
		case strings.HasPrefix(text, "-F"):
			c.code(shell.Word{Text: text[2:], Unknown: words[i].Unknown})
		case strings.HasPrefix(text, "-o"):
			setting(text[2:])
		case len(text) == 2 && text[0] == '-' && strings.Contains("BbcDEeIiJLlmOPpQRSWw", text[1:]):
			next()
		case strings.HasPrefix(text, "-"):
		default:
			if here(text) {
				c.parse(join(words[i+1:]), depth+1)
			}
			return
		}
	}
}

// here reports whether a host is this machine, by a name or an address that every machine has for itself.
func here(host string) bool {
	host = strings.TrimPrefix(host, "ssh://")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback() || a.IsUnspecified()
	}
	name, _, _ := strings.Cut(host, ":")
	a, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && (a.IsLoopback() || a.IsUnspecified())
}

package execsec

import "strings"

// prefixes are commands that run the command which follows them.
var prefixes = map[string]bool{
	"exec": true, "nohup": true, "setsid": true, "env": true, "time": true, "command": true, "!": true, "then": true, "do": true, "else": true, "if": true,
	"while": true, "until": true, "{": true, "nice": true, "ionice": true, "builtin": true, "eval": true,
}

// Programs finds the programs that a shell command runs: the words where a command is expected. What only the shell can know (a variable, the output
// of another command) is left out; the text itself is a property, which only an administrator sets. The first is the one the command is about.
func Programs(text string) []string {
	var out []string
	start := true   // a command is expected
	script := false // or what an interpreter shall read
	for _, w := range shellWords(text) {
		switch {
		case w.separator:
			start, script = true, false
		case script && strings.HasPrefix(w.text, "-c"): // a command of its own follows, in quotes
			script = false
		case script && strings.HasPrefix(w.text, "-"):
		case script:
			if !w.unknown {
				out = append(out, w.text)
			}
			script = false
		case !start:
		case w.unknown && !strings.HasPrefix(w.text, "/"):
			start = false
		case isAssignment(w.text), prefixes[w.text], strings.HasPrefix(w.text, "-"), start && strings.Trim(w.text, "0123456789") == "": // the options of a prefix
		default:
			if !w.unknown {
				out = append(out, w.text)
				script = reads(w.text)
			}
			start = false
		}
	}
	return out
}

// reads reports whether a program is one that runs the file that its first argument names.
func reads(program string) bool {
	base := strings.TrimRight(program[strings.LastIndexByte(program, '/')+1:], "0123456789.")
	switch base {
	case "", "source", "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "python", "perl", "ruby", "node", "php", "lua", "tclsh": // "" is "."
		return true
	}
	return false
}

type shellWord struct {
	text      string
	separator bool
	unknown   bool // it has parts that only the shell knows
}

// shellWords takes a command apart as a shell does, as far as that goes without running it.
func shellWords(text string) []shellWord {
	var out []shellWord
	var w shellWord
	in := false
	end := func() {
		if in {
			out = append(out, w)
		}
		w, in = shellWord{}, false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				w.text, in = w.text+string(text[i]), true
			}
		case c == '\'':
			in = true
			j := strings.IndexByte(text[i+1:], '\'')
			if j < 0 {
				j = len(text) - i - 1
			}
			w.text += text[i+1 : i+1+j]
			i += j + 1
		case c == '"':
			in = true
			for i++; i < len(text) && text[i] != '"'; i++ {
				switch {
				case text[i] == '\\' && i+1 < len(text):
					i++
					w.text += string(text[i])
				case text[i] == '$' || text[i] == '`':
					w.unknown = true
				default:
					w.text += string(text[i])
				}
			}
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !in:
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case c == '>' || c == '<': // a redirection: its target is no command
			if in && strings.Trim(w.text, "0123456789") == "" {
				in, w = false, shellWord{}
			}
			end()
			for i+1 < len(text) && strings.IndexByte("<>&| \t", text[i+1]) >= 0 {
				i++
			}
			for i+1 < len(text) && strings.IndexByte(" \t\n;&|()<>", text[i+1]) < 0 {
				i++
			}
		case strings.IndexByte(";&|()\n", c) >= 0:
			end()
			out = append(out, shellWord{separator: true})
		case c == '$' || c == '`' || c == '*' || c == '?':
			w.unknown, in = true, true
			w.text += string(c)
		default:
			w.text, in = w.text+string(c), true
		}
	}
	end()
	return out
}

func isAssignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	return ok && name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}

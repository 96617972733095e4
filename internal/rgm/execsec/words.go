package execsec

import "strings"

type shellWord struct {
	text      string
	separator bool
	unknown   bool // it has parts that only the shell knows; they stand in text as they were written
	redirect  byte // what a redirection leads to: '<' is read by the command, '>' stands for all others
}

// shellWords takes a command apart as a shell does, as far as that goes without running it.
func shellWords(text string) []shellWord {
	var out []shellWord
	var w shellWord
	in, redirect := false, byte(0)
	end := func() {
		if in {
			w.redirect, redirect = redirect, 0
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
				w.text, in = w.text+text[i:i+1], true
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
				if text[i] == '\\' && i+1 < len(text) {
					i++
				} else {
					w.unknown = w.unknown || text[i] == '$' || text[i] == '`'
				}
				w.text += text[i : i+1]
			}
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !in:
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case c == '>' || c == '<':
			if in && strings.Trim(w.text, "0123456789") == "" {
				in, w = false, shellWord{}
			}
			end()
			redirect = c
			for i+1 < len(text) && strings.IndexByte("<>&|", text[i+1]) >= 0 {
				i++
				redirect = '>'
			}
		case strings.IndexByte(";&|()\n", c) >= 0:
			end()
			redirect = 0
			out = append(out, shellWord{separator: true})
		case c == '$' || c == '`' || c == '*' || c == '?':
			w.unknown, in = true, true
			w.text += text[i : i+1]
		default:
			w.text, in = w.text+text[i:i+1], true
		}
	}
	end()
	return out
}

// assignment takes NAME=VALUE apart.
func assignment(w string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(w, "=")
	return name, value, ok && name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}

// paths are the absolute paths that stand in a word, alone or after something else: /a, --exec=/a, 'import os; os.system("/a")'. What a variable or a
// pattern is part of is left out.
func paths(w shellWord) []string {
	var out []string
	text := w.text
	if strings.HasPrefix(text, "/") && len(text) > 1 && !w.unknown {
		out = append(out, text)
	}
	for i := 0; i < len(text); i++ {
		joined := text[0] == '-' && !strings.Contains(text[:i], "/") // -I/a
		if text[i] != '/' || i > 0 && ofPath(text[i-1]) && !joined {
			continue
		}
		end := i
		for end < len(text) && strings.IndexByte(" \t\n\"';&|()<>`,:=[]{}$*?", text[end]) < 0 {
			end++
		}
		known := end == len(text) || strings.IndexByte("$*?{[", text[end]) < 0
		if p := text[i:end]; known && len(p) > 1 && (len(out) == 0 || out[len(out)-1] != p) {
			out = append(out, p)
		}
		i = end
	}
	return out
}

// ofPath reports whether a '/' after c goes on with a path that began before.
func ofPath(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._-+~%@$})*?", c) >= 0
}

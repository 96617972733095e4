package execsec

import (
	"strings"

	"redoubt/internal/shell"
)

// assignment takes NAME=VALUE apart.
func assignment(w string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(w, "=")
	return name, value, ok && name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}

// paths are the absolute paths that stand in a word, alone or after something else: /a, --exec=/a, 'import os; os.system("/a")'. What a variable or a
// pattern is part of is left out.
func paths(w shell.Word) []string {
	var out []string
	text := w.Text
	if strings.HasPrefix(text, "/") && len(text) > 1 && !w.Unknown {
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

package access

import "fmt"

// Said is a sentence, or a part of one, that is put into words when it is wanted, in any language: a text with blanks as those of fmt, and what they take, which may be said itself. The zero value
// says nothing.
type Said struct {
	text  string
	with  []any
	parts []Said // instead: these, with the text between them
}

// Say makes a sentence.
func Say(text string, with ...any) Said { return Said{text: text, with: with} }

// SayAll makes one of several, with a text between them.
func SayAll(between string, parts ...Said) Said { return Said{text: between, parts: parts} }

// Nothing reports whether nothing is said.
func (s Said) Nothing() bool { return s.text == "" && len(s.parts) == 0 }

func (s Said) String() string { return s.In(func(text string) string { return text }) }

// In is the sentence with its texts replaced by those that words gives. What it names, and what an error says, stays.
func (s Said) In(words func(text string) string) string {
	if len(s.parts) > 0 {
		out := s.parts[0].In(words)
		for _, p := range s.parts[1:] {
			out += words(s.text) + p.In(words)
		}
		return out
	}
	if s.text == "" {
		return ""
	}
	with := make([]any, len(s.with))
	for i, v := range s.with {
		if x, ok := v.(Said); ok {
			v = x.In(words)
		}
		with[i] = v
	}
	return fmt.Sprintf(words(s.text), with...)
}

package assess

import (
	_ "embed" // the notes in Russian
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed notes.ru.yaml
var notesRussian []byte

// russian are the texts of notes in Russian, by the English ones.
var russian = sync.OnceValue(func() map[string]string {
	var all []struct{ EN, RU string }
	if err := yaml.Unmarshal(notesRussian, &all); err != nil {
		panic("the notes of the report: " + err.Error()) // they are a part of the program: a test reads them
	}
	out := map[string]string{}
	for _, n := range all {
		out[n.EN] = n.RU
	}
	return out
})

// In is the text of the note in a language, en or ru. What it names, such as threats and what an error says, stays as it is; a note that was not made here is only as it was made.
func (n Note) In(lang string) string {
	if text := russian()[n.format]; lang == "ru" && text != "" {
		return fmt.Sprintf(text, n.args...)
	}
	return n.Text
}

package auditlog

import "fmt"

// Load gathers a stored log by its names. read returns nil for a file that is not there. The public key comes from elsewhere.
func Load(read func(name string) ([]byte, error)) (Stored, error) {
	s := Stored{Text: []File{}}
	for name, into := range map[string]*[]byte{NameTwin: &s.Twin, NameTree: &s.Tree, NameHead: &s.Head} {
		b, err := read(name)
		if err != nil {
			return s, err
		}
		*into = b
	}
	for i := -1; i < Archives; i++ {
		name := NameText
		if i >= 0 {
			name = fmt.Sprintf("%s.%d", NameText, i)
		}
		b, err := read(name)
		if err != nil {
			return s, err
		}
		if b != nil {
			s.Text = append(s.Text, File{Name: name, Content: b})
		}
	}
	return s, nil
}

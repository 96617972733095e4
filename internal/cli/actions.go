package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// apply sends a document to the daemon. A hand-written one may say 3 or true where the API has strings, and one value where it has a list.
func apply(c *cobra.Command, e Env, call Call, _ []string) error {
	file, _ := call.Body["file"].(string)
	delete(call.Body, "file")
	if file == "" {
		return usageError{fmt.Errorf("%s needs -f and the name of a document", c.CommandPath()), "`redoubt cluster export` prints one."}
	}
	source, err := e.source(file)
	if err != nil {
		return err
	}
	root, err := document(source)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the document %s can not be read: %w", file, err)
	}
	doc, err := fit(root, reflect.TypeFor[v1.Document](), "")
	if err != nil {
		return fault.Errorf(fault.Invalid, "the document %s can not be read: %w", file, err)
	}
	k, err := e.keysFor(call)
	if err != nil {
		return err
	}
	list, err := secretsIn(doc)
	if err != nil {
		return err
	}
	var secrets []Call
	if len(list) > 0 && len(k.with) == 0 {
		fmt.Fprintln(e.Stderr, "The document's private strings are left out; --secrets-identity or --passphrase-file brings them in.")
	} else if secrets, err = settings(list, k); err != nil {
		return err
	}
	call.Body["document"] = doc
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := perform(c, e, client, call, true)
	if err != nil {
		return err
	}
	if dry, _ := call.Body["dryRun"].(bool); !dry {
		if err := bringSecrets(c, e, client, secrets, "the rest of the document was applied; "); err != nil {
			return err
		}
	}
	return show(c, e, call, answer)
}

// source is what is in a file, or on standard input.
func (e Env) source(file string) (source []byte, err error) {
	if file == "-" {
		source, err = io.ReadAll(e.Stdin)
	} else {
		source, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read the document: %w", err)
	}
	return source, nil
}

// document parses YAML (or JSON, which is YAML) that is one document.
func document(source []byte) (*yaml.Node, error) {
	var node yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(source))
	if err := dec.Decode(&node); err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in it")
	}
	return node.Content[0], nil
}

// fit makes of a YAML value what the API has at its place. What the API does not know is left as it is: the daemon names it.
func fit(n *yaml.Node, t reflect.Type, at string) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	wrong := func(want string) error { return fmt.Errorf("line %d: %s has to be %s", n.Line, at, want) }
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		if n.Kind != yaml.MappingNode {
			return nil, wrong("a mapping")
		}
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			inner := reflect.TypeFor[any]()
			if t.Kind() == reflect.Map {
				inner = t.Elem()
			} else if f, ok := fieldOf(t, name); ok {
				inner = f
			}
			v, err := fit(n.Content[i+1], inner, strings.TrimPrefix(at+"."+name, "."))
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	case reflect.Slice:
		elements := n.Content
		if n.Kind != yaml.SequenceNode {
			if n.Tag == "!!null" {
				return []any{}, nil
			}
			elements = []*yaml.Node{n}
		}
		out := []any{}
		for i, c := range elements {
			v, err := fit(c, t.Elem(), at+"["+strconv.Itoa(i)+"]")
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case reflect.String:
		if n.Kind != yaml.ScalarNode {
			return nil, wrong("one value")
		}
		if n.Tag == "!!null" {
			return "", nil
		}
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// fieldOf finds the type of a field by its JSON name.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// snapshot copies the repository into a file. The file appears under its name only when it is whole and on the disk.
func snapshot(c *cobra.Command, e Env, call Call, args []string) error {
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	d, ok := client.(Downloader)
	if !ok {
		return fault.Errorf(fault.Unsupported, "cluster snapshot: this client can not copy the repository")
	}
	path := args[0]
	failed := func(err error) error {
		return fault.Errorf(fault.Internal, "write the snapshot %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return failed(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	line := e.line()
	err = d.Download(c.Context(), call.Noun, call.Verb, f, func(done, total int64) {
		if total > 0 {
			line.set(fmt.Sprintf("%s of %s (%d %%)", size(done), size(total), done*100/total))
		} else {
			line.set(size(done))
		}
	})
	line.clear()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return failed(err)
	}
	info, err := f.Stat()
	if err != nil {
		return failed(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return failed(err)
	}
	if form, _ := format(c); form != "table" {
		answer, err := json.Marshal(map[string]any{"file": path, "bytes": info.Size()})
		if err != nil {
			return failed(err)
		}
		return write(e.Stdout, form, answer)
	}
	fmt.Fprintf(e.Stdout, "The repository is in %s, %s. `redoubtd restore` makes a cluster of it again.\n", path, size(info.Size()))
	return nil
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// keys open the private strings of a document.
type keys struct {
	with []age.Identity
	from string // the file of a key; "" for a passphrase, or a key made for one call
}

// opened decrypts what stands in a document.
func opened(s v1.SecretDocument, k keys) ([]byte, error) {
	damaged := fault.Errorf(fault.Invalid, "secret %s of the document can not be opened: it is damaged or cut off; nothing was changed. Take the document as it was exported", s.Name)
	sealed, err := io.ReadAll(io.LimitReader(armor.NewReader(strings.NewReader(s.Sealed)), maxSecretFile))
	if err != nil {
		return nil, damaged
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), k.with...)
	if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
		why := "the key in " + k.from + " is not one that it is encrypted to; give another one with --secrets-identity"
		switch under := bytes.Contains(sealed, []byte("\n-> scrypt ")); {
		case under && k.from == "":
			why = "the passphrase is not the one that it was exported with"
		case under:
			why = "it is under a passphrase, and no key opens it; give --passphrase-file"
		case k.from == "":
			why = "it is encrypted to a key, and no passphrase opens it; give --secrets-identity"
		}
		return nil, fault.Errorf(fault.Denied, "secret %s of the document can not be opened: %s. Nothing was changed", s.Name, why)
	}
	if err != nil {
		return nil, damaged
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxSecretFile))
	if err != nil {
		return nil, damaged
	}
	return plain, nil
}

// secretsIn takes the private strings out of a document.
func secretsIn(doc any) ([]v1.SecretDocument, error) {
	m, _ := doc.(map[string]any)
	source, err := json.Marshal(m["secrets"])
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the private strings of the document can not be read: %w", err)
	}
	delete(m, "secrets")
	var list []v1.SecretDocument
	if err := json.Unmarshal(source, &list); err != nil {
		return nil, fault.Errorf(fault.Invalid, "the private strings of the document can not be read: %w", err)
	}
	return list, nil
}

// settings opens private strings of a document, all of them before anything is changed, and makes of each the call that sets it.
func settings(list []v1.SecretDocument, k keys) ([]Call, error) {
	var calls []Call
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s.Name] {
			return nil, fault.Errorf(fault.Invalid, "the document has secret %s twice; nothing was changed", s.Name)
		}
		seen[s.Name] = true
	}
	for _, s := range list {
		plain, err := opened(s, k)
		if err != nil {
			return nil, err
		}
		var content struct {
			To    string `json:"to"`
			Value []byte `json:"value"`
		}
		if s.ObjectType == "" {
			s.ObjectType = "resource"
		}
		if json.Unmarshal(plain, &content) != nil || content.To != s.Name+" of "+s.ObjectType+" "+s.Object {
			return nil, fault.Errorf(fault.Invalid, "secret %s of the document has the value of another private string; take a document that nobody has changed. Nothing was changed", s.Name)
		}
		calls = append(calls, Call{Noun: "secret", Verb: "create", Body: map[string]any{"names": []string{s.Name}, "object": s.Object, "type": s.ObjectType, "value": content.Value}})
	}
	return calls, nil
}

// keysFor reads the key or the passphrase that a command was given; none is an answer too.
func (e Env) keysFor(call Call) (keys, error) {
	identity, _ := call.Body["secretsIdentity"].(string)
	passphraseFile, _ := call.Body["passphraseFile"].(string)
	delete(call.Body, "secretsIdentity")
	delete(call.Body, "passphraseFile")
	switch {
	case identity != "" && passphraseFile != "":
		return keys{}, usageError{err: errors.New("either --secrets-identity or --passphrase-file")}
	case identity != "":
		f, err := os.Open(identity)
		if err != nil {
			return keys{}, fault.Errorf(fault.Invalid, "read the key: %w", err)
		}
		defer f.Close()
		ids, err := age.ParseIdentities(f)
		if err != nil {
			return keys{}, fault.Errorf(fault.Invalid, "%s holds no key of the form AGE-SECRET-KEY-…, as age-keygen writes it", identity)
		}
		return keys{with: ids, from: identity}, nil
	case passphraseFile != "":
		phrase, err := e.secretFrom(passphraseFile, "passphrase", false)
		if err != nil {
			return keys{}, err
		}
		key, err := age.NewScryptIdentity(string(phrase))
		if err != nil {
			return keys{}, fault.Errorf(fault.Invalid, "the passphrase can not be used: %w", err)
		}
		return keys{with: []age.Identity{key}}, nil
	}
	return keys{}, nil
}

// bringSecrets writes private strings of a document. One that exists gets the document's value, if it is bound to the same object: the value of another one would be
// lost. One that can not be set does not keep the others from it. after says what has happened before.
func bringSecrets(c *cobra.Command, e Env, client Client, calls []Call, after string) error {
	var failed []error
	for _, call := range calls {
		_, err := client.Do(c.Context(), call)
		if fault.Is(err, fault.Exists) {
			err = resetSecret(c, client, call)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if set := len(calls) - len(failed); set > 0 {
		fmt.Fprintf(e.Stderr, "%d private strings were set.\n", set)
	}
	if len(failed) > 0 {
		return fault.Errorf(fault.CodeOf(failed[0]), "%s%d of %d private strings were not set; repair it and do the same again: %w", after, len(failed), len(calls), errors.Join(failed...))
	}
	return nil
}

// resetSecret gives a private string that exists the value of a document.
func resetSecret(c *cobra.Command, client Client, call Call) error {
	list, err := ask[[]v1.Secret](c.Context(), client, Call{Noun: "secret", Verb: "show", Body: map[string]any{"names": call.Body["names"]}, Read: true})
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.ObjectType != call.Body["type"] || s.Object != call.Body["object"] {
			return fault.Errorf(fault.Exists, "secret %s exists and is bound to %s %s, in the document to %s %s: its value stays as it is; delete it first if it is to have the document's", s.Name, s.ObjectType, s.Object, call.Body["type"], call.Body["object"])
		}
	}
	_, err = client.Do(c.Context(), Call{Noun: "secret", Verb: "set", Body: map[string]any{"names": call.Body["names"], "value": call.Body["value"]}})
	return err
}

// importSecrets sets the private strings that an export printed, and nothing else that is in it.
func importSecrets(c *cobra.Command, e Env, call Call, _ []string) error {
	file, _ := call.Body["file"].(string)
	k, err := e.keysFor(call)
	if err != nil {
		return err
	}
	if file == "" || len(k.with) == 0 {
		return usageError{fmt.Errorf("%s needs -f and the name of an export, and --secrets-identity or --passphrase-file to open it", c.CommandPath()), "`redoubt secret export` prints one."}
	}
	source, err := e.source(file)
	if err != nil {
		return err
	}
	root, err := document(source)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the export %s can not be read: it is cut off, or none; nothing was changed: %w", file, err)
	}
	var doc any
	if root.Kind == yaml.SequenceNode {
		doc, err = fit(root, reflect.TypeFor[[]v1.SecretDocument](), "secrets")
		doc = map[string]any{"secrets": doc}
	} else {
		doc, err = fit(root, reflect.TypeFor[v1.Document](), "")
	}
	if err != nil {
		return fault.Errorf(fault.Invalid, "the export %s can not be read: %w", file, err)
	}
	list, err := secretsIn(doc)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.Errorf(fault.Invalid, "the export %s has no private strings; `redoubt cluster export --secrets-to` and `redoubt secret export` print them", file)
	}
	calls, err := settings(list, k)
	if err != nil {
		return err
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	return bringSecrets(c, e, client, calls, "")
}

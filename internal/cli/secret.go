package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// maxSecretFile is how much of a file or of standard input is read as a value; the daemon says what it takes.
const maxSecretFile = 1 << 20

func secretNoun() noun {
	file := option{"file", "f", text, "the file with the value; - is standard input"}
	object := option{"object", "b", text, "the resource that it is bound to: only its methods read the value"}
	kind := option{"type", "t", text, "the type of the object: resource"}
	list := reads("secret", "NAME", "list", "show")
	for i := range list {
		list[i].options = []option{object, kind}
	}
	return noun{name: "secret", short: "Keep private strings, such as passwords, for resources", old: []string{"clpstring", "clps"}, verbs: append(list,
		verb{name: "create", short: "Create a private string; its value comes from the terminal, standard input or a file", example: "redoubt secret create -b db -f /root/db.password db-password", operand: "NAME", act: withValue, options: []option{
			object, kind, file,
		}},
		verb{name: "set", short: "Give a private string another value", example: "redoubt secret set -f /root/db.password db-password", operand: "NAME", act: withValue, options: []option{file}},
		verb{name: "delete", short: "Delete a private string", example: "redoubt secret delete -y db-password", operand: "NAME", destroys: true, options: []option{optForce()}},
		verb{name: "verify", short: "Ask every node whether it can read the private strings", example: "redoubt secret verify", operand: "NAME", optional: true, read: true},
		verb{name: "export", short: "Print private strings encrypted to a key of yours", example: "redoubt secret export --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", operand: "NAME", optional: true, format: "json", options: []option{
			{"recipient", "", text, "the key to encrypt to, age1…, as age-keygen prints it"},
		}},
		verb{name: "import", as: "secret create", short: "Set private strings from what secret export or cluster export printed", example: "redoubt secret import -f secrets.json --secrets-identity key.txt", act: importSecrets, options: []option{
			{"file", "f", text, "what was printed; - is standard input"}, {"secrets-identity", "", text, "the file with the key that opens it"},
			{"passphrase-file", "", text, "the file with its passphrase; - is standard input"},
		}},
	)}
}

// hidden asks on the terminal of the process, whatever standard input is.
func hidden(question string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "there is no terminal to ask on; give the value on standard input or in a file")
	}
	defer tty.Close()
	fmt.Fprint(tty, question)
	answer, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read from the terminal: %w", err)
	}
	return answer, nil
}

// secretFrom reads something secret: from a file, from standard input, or from the person at the terminal, never from an argument. what names it in questions.
func (e Env) secretFrom(file, what string, twice bool) ([]byte, error) {
	var from io.Reader
	switch {
	case file != "" && file != "-":
		f, err := os.Open(file)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "%s: %w", what, err)
		}
		defer f.Close()
		from = f
	case file == "" && e.terminal():
		return e.askHidden(what, twice)
	default:
		from = e.Stdin
	}
	value, err := io.ReadAll(io.LimitReader(from, maxSecretFile))
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", what, err)
	}
	return bytes.TrimSuffix(value, []byte("\n")), nil // what an editor or echo adds
}

func (e Env) askHidden(what string, twice bool) ([]byte, error) {
	if e.Hidden == nil {
		return nil, fault.Errorf(fault.Invalid, "%s: there is no terminal to ask on; give it on standard input or in a file", what)
	}
	value, err := e.Hidden(what + ": ")
	if err != nil || !twice {
		return value, err
	}
	again, err := e.Hidden(what + ", again: ")
	if err == nil && !bytes.Equal(value, again) {
		err = fault.Errorf(fault.Invalid, "%s: the two are not the same; nothing was changed", what)
	}
	return value, err
}

// withValue carries out a command that sends a value.
func withValue(c *cobra.Command, e Env, call Call, _ []string) error {
	file, _ := call.Body["file"].(string)
	delete(call.Body, "file")
	value, err := e.secretFrom(file, "value", true)
	if err != nil {
		return err
	}
	if len(value) == 0 {
		return fault.Errorf(fault.Invalid, "%s: its value is empty; give it on standard input, in a file with -f, or on the terminal when asked", c.CommandPath())
	}
	call.Body["value"] = value
	return carryOut(c, e, call)
}

// exportWithSecrets prints the configuration, and with it, when it was asked for, the private strings under the operator's key or passphrase. A passphrase
// never leaves this process: the daemon encrypts to a key made for this one call.
func exportWithSecrets(c *cobra.Command, e Env, call Call, _ []string) error {
	to, _ := call.Body["secretsTo"].(string)
	passphrase, _ := call.Body["secretsPassphrase"].(bool)
	file, _ := call.Body["passphraseFile"].(string)
	for _, f := range []string{"secretsTo", "secretsPassphrase", "passphraseFile"} {
		delete(call.Body, f)
	}
	passphrase = passphrase || file != ""
	if to != "" && passphrase {
		return usageError{err: errors.New("either --secrets-to or a passphrase")}
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := client.Do(c.Context(), call)
	if err != nil {
		return err
	}
	if to == "" && !passphrase {
		return show(c, e, call, answer)
	}
	var secrets []v1.SecretDocument
	if passphrase {
		secrets, err = e.underPassphrase(c, client, file)
	} else {
		secrets, err = exported(c, client, to)
	}
	if err != nil {
		return err
	}
	doc, err := decoded[map[string]json.RawMessage](answer)
	if err != nil {
		return err
	}
	if doc["secrets"], err = json.Marshal(secrets); err != nil {
		return fault.Errorf(fault.Internal, "the private strings can not be written: %w", err)
	}
	if answer, err = json.Marshal(doc); err != nil {
		return fault.Errorf(fault.Internal, "the document can not be written: %w", err)
	}
	return show(c, e, call, answer)
}

func exported(c *cobra.Command, client Client, to string) ([]v1.SecretDocument, error) {
	return ask[[]v1.SecretDocument](c.Context(), client, Call{Noun: "secret", Verb: "export", Body: map[string]any{"all": true, "recipient": to}})
}

func (e Env) underPassphrase(c *cobra.Command, client Client, file string) ([]v1.SecretDocument, error) {
	phrase, err := e.secretFrom(file, "passphrase", true)
	if err != nil {
		return nil, err
	}
	if len(phrase) < 8 {
		return nil, fault.Errorf(fault.Invalid, "the passphrase has %d characters; whoever gets the document can try every short one: take at least 8", len(phrase))
	}
	once, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make a key: %w", err)
	}
	list, err := exported(c, client, once.Recipient().String())
	if err != nil {
		return nil, err
	}
	under, err := age.NewScryptRecipient(string(phrase))
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the passphrase can not be used: %w", err)
	}
	for i, s := range list {
		plain, err := opened(s, keys{with: []age.Identity{once}})
		if err != nil {
			return nil, err
		}
		var out strings.Builder
		w := armor.NewWriter(&out)
		enc, err := age.Encrypt(w, under)
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "encrypt secret %s: %w", s.Name, err)
		}
		_, err = enc.Write(plain)
		if err = errors.Join(err, enc.Close(), w.Close()); err != nil {
			return nil, fault.Errorf(fault.Internal, "encrypt secret %s: %w", s.Name, err)
		}
		list[i].Sealed = out.String()
	}
	return list, nil
}

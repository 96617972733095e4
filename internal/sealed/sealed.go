// Package sealed encrypts private strings to the nodes of the cluster, each with a key of its own, so that the repository, its snapshots and its files on the
// disks hold no secret that a thief of them could read. The format is that of age (age-encryption.org/v1, X25519 recipients).
package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// MaxValue is how long a private string may be, in bytes.
const MaxValue = 64 << 10

// maxSealed bounds what is decrypted: a value, what it is bound to, and a header with a stanza for each of 1,000 nodes.
const maxSealed = 2*MaxValue + 256<<10

// Box opens what is sealed to this node. It is safe for use by several goroutines.
type Box struct {
	identity *age.X25519Identity
}

// Open reads the node's key from the file, or makes one there, readable by root only. A key that others may read or change is refused: what it protects
// would be theirs.
func Open(path string) (*Box, error) {
	b, err := readKey(path)
	if errors.Is(err, os.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, err
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "the node's key for private strings, %s, is damaged; remove the file and restart the daemon: the other nodes encrypt to the new key", path)
	}
	return &Box{identity: id}, nil
}

func readKey(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fault.Errorf(fault.Internal, "read %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o077 != 0 || int(st.Uid) != os.Geteuid() {
		return nil, fault.Errorf(fault.Denied, "the node's key for private strings, %s, is not a plain file that only its owner can read; run: chown root %s && chmod 600 %s, and set the private strings anew if others could read it", path, path, path)
	}
	return io.ReadAll(io.LimitReader(f, 4096))
}

// create makes a key. The file has its name only when it is whole and on the disk.
func create(path string) (*Box, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make a key for private strings: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make a key for private strings: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_, err = f.WriteString(id.String() + "\n")
	if err = errors.Join(err, f.Sync(), os.Rename(f.Name(), path)); err != nil {
		return nil, fault.Errorf(fault.Internal, "make a key for private strings: %w", err)
	}
	return &Box{identity: id}, nil
}

// Recipient is the public part of the node's key, age1…
func (b *Box) Recipient() string { return b.identity.Recipient().String() }

// bound is what is encrypted: the value together with what it is, so that no one who can write records can give one string the value of another.
type bound struct {
	To    string `json:"to"`
	Value []byte `json:"value"`
}

// Seal encrypts a value to the recipients. to says what the value is; who opens it says the same.
func (b *Box) Seal(to string, value []byte, recipients []string) ([]byte, error) {
	if len(value) > MaxValue {
		return nil, fault.Errorf(fault.Invalid, "a private string has at most %d bytes, not %d", MaxValue, len(value))
	}
	keys := make([]age.Recipient, 0, len(recipients))
	for _, r := range recipients {
		k, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "%q is no recipient of the form age1…", r)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fault.Errorf(fault.Internal, "a private string was to be sealed to nobody")
	}
	plain, err := json.Marshal(bound{To: to, Value: value})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "seal a private string: %w", err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, keys...)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "seal a private string: %w", err)
	}
	_, err = w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fault.Errorf(fault.Internal, "seal a private string: %w", err)
	}
	return out.Bytes(), nil
}

// Unseal decrypts what was sealed to this node under the same words.
func (b *Box) Unseal(to string, sealed []byte) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, fault.Errorf(fault.Invalid, "the private string is longer than any can be; set it anew")
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), b.identity)
	if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
		return nil, fault.Errorf(fault.Denied, "the private string is not encrypted to this node's key; a node that can read it will do that within seconds, if there is one")
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "the private string is damaged; set it anew")
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "the private string is damaged; set it anew")
	}
	var v bound
	if json.Unmarshal(plain, &v) != nil || v.To != to {
		return nil, fault.Errorf(fault.Internal, "the record has the value of another private string; set it anew, and find out who wrote it")
	}
	return v.Value, nil
}

package sealed_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/fault"
	"redoubt/internal/sealed"
)

func box(t *testing.T) *sealed.Box {
	t.Helper()
	b, err := sealed.Open(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOnlyRecipientsOpen(t *testing.T) {
	a, b, c := box(t), box(t), box(t)
	value := []byte("correct horse\x00battery")
	s, err := a.Seal("db-password", value, []string{a.Recipient(), b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s, value) {
		t.Error("the value stands in what was sealed")
	}
	for _, who := range []*sealed.Box{a, b} {
		if got, err := who.Unseal("db-password", s); err != nil || !bytes.Equal(got, value) {
			t.Errorf("a recipient reads %q, %v", got, err)
		}
	}
	if _, err := c.Unseal("db-password", s); !fault.Is(err, fault.Denied) {
		t.Errorf("a stranger: %v", err)
	}
	if got, err := a.Unseal("other", s); err == nil {
		t.Errorf("opened under another name: %q", got)
	}
}

// TestDamage: no byte can be changed unnoticed, and no error tells the value.
func TestDamage(t *testing.T) {
	a := box(t)
	s, err := a.Seal("p", []byte("canary"), []string{a.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s {
		for _, bad := range [][]byte{append(bytes.Clone(s[:i]), append([]byte{s[i] ^ 1}, s[i+1:]...)...), s[:i]} {
			got, err := a.Unseal("p", bad)
			if err == nil {
				t.Fatalf("byte %d: opened as %q", i, got)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Fatalf("the error tells the value: %v", err)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	a := box(t)
	if _, err := a.Seal("p", make([]byte, sealed.MaxValue+1), []string{a.Recipient()}); !fault.Is(err, fault.Invalid) {
		t.Errorf("too long: %v", err)
	}
	if _, err := a.Seal("p", nil, nil); err == nil {
		t.Error("sealed to nobody")
	}
	if _, err := a.Seal("p", nil, []string{"age1nonsense"}); !fault.Is(err, fault.Invalid) {
		t.Error("sealed to a key that is none")
	}
	if _, err := a.Unseal("p", make([]byte, 10<<20)); !fault.Is(err, fault.Invalid) {
		t.Error("a huge one was read")
	}
	if s, err := a.Seal("p", make([]byte, sealed.MaxValue), []string{a.Recipient()}); err != nil {
		t.Error(err)
	} else if v, err := a.Unseal("p", s); err != nil || len(v) != sealed.MaxValue {
		t.Errorf("the longest: %d bytes, %v", len(v), err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	a, err := sealed.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("the key's file: %v, %v", st.Mode(), err)
	}
	if b, err := sealed.Open(path); err != nil || b.Recipient() != a.Recipient() {
		t.Errorf("read again: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Open(path); !fault.Is(err, fault.Denied) {
		t.Errorf("a key that others read: %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Open(path); !fault.Is(err, fault.Internal) || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a damaged key: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Open(link); err == nil {
		t.Error("a symbolic link was followed")
	}
}

func FuzzUnseal(f *testing.F) {
	b, err := sealed.Open(filepath.Join(f.TempDir(), "secret.key"))
	if err != nil {
		f.Fatal(err)
	}
	s, err := b.Seal("p", []byte("value"), []string{b.Recipient()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s)
	f.Fuzz(func(t *testing.T, in []byte) {
		if v, err := b.Unseal("p", in); err == nil && !bytes.Equal(in, s) {
			t.Errorf("opened what was never sealed: %q", v)
		}
	})
}

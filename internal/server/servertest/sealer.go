package servertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"filippo.io/age"
)

// sealer encrypts as nodes do, with one key for all of them.
type sealer struct{ identity *age.X25519Identity }

type content struct {
	To    string `json:"to"`
	Value []byte `json:"value"`
}

func newSealer(t testing.TB) sealer {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return sealer{id}
}

// Seal implements control.Sealer.
func (s sealer) Seal(to string, value []byte, recipients []string) ([]byte, error) {
	var keys []age.Recipient
	for _, r := range recipients {
		k, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, keys...)
	if err != nil {
		return nil, err
	}
	err = json.NewEncoder(w).Encode(content{to, value})
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// Unseal implements control.Sealer.
func (s sealer) Unseal(to string, sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), s.identity)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil || c.To != to {
		return nil, errors.New("the value of another string")
	}
	return c.Value, nil
}

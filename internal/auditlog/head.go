package auditlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	checkpoint "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// Head is what a node has signed: the log that has this many entries has this root.
type Head struct {
	Size uint64
	Root []byte
}

// origin is the name of every log in its signed heads; the key tells them apart.
const origin = "redoubt-commandlog"

// maxHead bounds a signed head in its written form.
const maxHead = 4 << 10

// Key signs the heads of a node's log.
type Key struct {
	signer  note.Signer
	private string
	public  string
}

// SeedSize is how many random bytes a key is made of.
const SeedSize = 64

// NewKey makes an ed25519 key from random bytes.
func NewKey(seed []byte) (Key, error) {
	private, public, err := note.GenerateKey(bytes.NewReader(seed), origin)
	if err != nil {
		return Key{}, fmt.Errorf("make a key for the command log: %w", err)
	}
	return parseKey(private, public)
}

// ParseKey reads a key as Encode writes it.
func ParseKey(text string) (Key, error) {
	private, public, ok := strings.Cut(strings.TrimSpace(text), "\n")
	if !ok {
		return Key{}, fmt.Errorf("the key of the command log is damaged")
	}
	return parseKey(strings.TrimSpace(private), strings.TrimSpace(public))
}

func parseKey(private, public string) (Key, error) {
	signer, err := note.NewSigner(private)
	if err != nil { // without the cause: it may tell the key
		return Key{}, fmt.Errorf("the key of the command log is damaged")
	}
	k := Key{signer, private, public}
	head, err := k.Sign(Head{Root: LeafHash(nil)})
	if err == nil {
		_, err = OpenHead(public, head)
	}
	if err != nil {
		return Key{}, fmt.Errorf("the two halves of the key of the command log do not belong together")
	}
	return k, nil
}

// Encode gives the key as it is stored: both halves, one a line.
func (k Key) Encode() string { return k.private + "\n" + k.public + "\n" }

// Public is the half that others verify with.
func (k Key) Public() string { return k.public }

// Sign gives a signed head.
func (k Key) Sign(h Head) ([]byte, error) {
	text := checkpoint.Checkpoint{Origin: origin, Size: h.Size, Hash: h.Root}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign the head of the command log: %w", err)
	}
	return signed, nil
}

// OpenHead verifies a signed head with the public key of its node.
func OpenHead(public string, signed []byte) (Head, error) {
	if len(signed) > maxHead {
		return Head{}, fmt.Errorf("the signed head has %d bytes, more than %d", len(signed), maxHead)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return Head{}, fmt.Errorf("the public key is damaged: %w", err)
	}
	c, rest, _, err := checkpoint.ParseCheckpoint(signed, origin, verifier)
	if err != nil {
		return Head{}, fmt.Errorf("the head is not signed with the key of this node: %w", err)
	}
	if len(rest) > 0 || len(c.Hash) != HashSize {
		return Head{}, fmt.Errorf("the signed head is not one of a command log")
	}
	return Head{Size: c.Size, Root: c.Hash}, nil
}

// Fingerprint is a short name of a public key.
func Fingerprint(public string) string {
	sum := sha256.Sum256([]byte(public))
	return "SHA256:" + hex.EncodeToString(sum[:8])
}

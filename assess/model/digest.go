package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest is the SHA-256 of what the model says, whatever the order, the comments and the layout of its file.
func (m *Model) Digest() string {
	b, err := json.Marshal(m)
	if err != nil {
		return "" // a model that was checked has no such value
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

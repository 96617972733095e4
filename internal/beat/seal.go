package beat

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"redoubt/internal/cluster"
)

// A datagram is a header in clear, a random nonce and the sealed message:
//
//	version (1)  sender's number (4)  receiver's number (4)  nonce (24)  message and tag
//
// The header and the address that the datagram is sent to are bound by the seal: what was recorded on one path says nothing about another.
const (
	version     = 1
	headerSize  = 9
	nonceSize   = chacha20poly1305.NonceSizeX
	overhead    = headerSize + nonceSize + chacha20poly1305.Overhead
	maxDatagram = maxMessage + overhead
)

// party is one end of a pair: everything that its keys are bound to.
type party struct {
	name cluster.NodeName
	id   uint32
	key  *ecdh.PublicKey
}

// pairKeys derives the two keys of a pair of nodes, one for each direction, from their static keys.
func pairKeys(own *ecdh.PrivateKey, clusterID string, self, peer party) (send, receive cipher.AEAD, err error) {
	shared, err := own.ECDH(peer.key)
	if err != nil {
		return nil, nil, err
	}
	if send, err = directionKey(shared, clusterID, self, peer); err != nil {
		return nil, nil, err
	}
	receive, err = directionKey(shared, clusterID, peer, self)
	return send, receive, err
}

func directionKey(shared []byte, clusterID string, from, to party) (cipher.AEAD, error) {
	var info strings.Builder
	info.WriteString("redoubt heartbeat 1")
	for _, p := range []party{from, to} {
		fmt.Fprintf(&info, "\x00%d:%s:%d:%x", len(p.name), p.name, p.id, p.key.Bytes())
	}
	key, err := hkdf.Key(sha256.New, shared, []byte(clusterID), info.String(), chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(key)
}

// ParsePublicKey reads a heartbeat key as model.Node carries it.
func ParsePublicKey(text string) (*ecdh.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("heartbeat key is not base64")
	}
	k, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return nil, errors.New("heartbeat key is no X25519 public key")
	}
	return k, nil
}

// FormatPublicKey is the inverse of ParsePublicKey.
func FormatPublicKey(k *ecdh.PublicKey) string { return base64.StdEncoding.EncodeToString(k.Bytes()) }

func appendHeader(b []byte, from, to uint32) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint32(b, from)
	return binary.BigEndian.AppendUint32(b, to)
}

// boundData is the additional data of the seal: the header and the receiver's address.
type boundData [headerSize + 16]byte

func bind(header []byte, to netip.Addr) (d boundData) {
	copy(d[:], header)
	a := to.As16()
	copy(d[headerSize:], a[:])
	return d
}

// seal appends a datagram for the receiver at an address to b. Its nonce is random and long enough never to come twice, over any number of restarts.
func seal(b []byte, key cipher.AEAD, from, to uint32, addr netip.Addr, message []byte) []byte {
	start := len(b)
	b = appendHeader(b, from, to)
	bound := bind(b[start:], addr)
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	b = append(b, nonce[:]...)
	return key.Seal(b, nonce[:], message, bound[:])
}

// open opens a datagram that arrived at an address, into buf.
func open(buf []byte, key cipher.AEAD, datagram []byte, addr netip.Addr) ([]byte, error) {
	bound := bind(datagram[:headerSize], addr)
	return key.Open(buf[:0], datagram[headerSize:headerSize+nonceSize], datagram[headerSize+nonceSize:], bound[:])
}

package control

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/pki"
)

// FuzzProved gives the proof of a machine that wants to join whatever a stranger may send, and changes a good one anywhere: what is accepted was signed, all of it and for
// this connection, by the key that is reported.
func FuzzProved(f *testing.F) {
	key, request, err := pki.NewRequest("n4")
	if err != nil {
		f.Fatal(err)
	}
	binding := bytes.Repeat([]byte{7}, v1.JoinBindingLength)
	good := v1.NodeAdmit{Node: "n4", Host: "n4.example.org", Request: request, HeartbeatKey: "k", Addresses: []string{"10.77.1.4/24"}, Token: "t", Keys: map[string]string{"a": "1"}}
	statement, err := good.Statement(binding)
	if err != nil {
		f.Fatal(err)
	}
	if good.Proof, err = ecdsa.SignASN1(rand.Reader, key, statement); err != nil {
		f.Fatal(err)
	}
	if _, err := proved(good, binding); err != nil {
		f.Fatal(err)
	}
	for field := range uint8(9) {
		f.Add(field, uint16(3), uint8(1), []byte("x"))
		f.Add(field, uint16(100), uint8(128), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, field uint8, at uint16, flip uint8, with []byte) {
		in, bound := good, slices.Clone(binding)
		change := func(b []byte) []byte {
			b = slices.Clone(b)
			if len(b) > 0 && len(with) == 0 {
				b[int(at)%len(b)] ^= flip
				return b
			}
			return slices.Concat(b[:min(int(at), len(b))], with)
		}
		switch field % 9 {
		case 0:
			in.Node = string(change([]byte(in.Node)))
		case 1:
			in.Host = string(change([]byte(in.Host)))
		case 2:
			in.Request = change(in.Request)
		case 3:
			in.Proof = change(in.Proof)
		case 4:
			in.Token = string(change([]byte(in.Token)))
		case 5:
			in.HeartbeatKey = string(change([]byte(in.HeartbeatKey)))
		case 6:
			in.Addresses = []string{string(change([]byte(in.Addresses[0])))}
		case 7:
			in.Keys = map[string]string{"a": string(change([]byte("1")))}
		case 8:
			bound = change(bound)
		}
		name, err := proved(in, bound)
		if err != nil {
			return
		}
		csr, cerr := x509.ParseCertificateRequest(in.Request)
		if cerr != nil {
			t.Fatalf("a request that can not be read was accepted: %v", cerr)
		}
		public, ok := csr.PublicKey.(*ecdsa.PublicKey)
		signed, serr := in.Statement(bound)
		if !ok || serr != nil || csr.CheckSignature() != nil || !ecdsa.VerifyASN1(public, signed, in.Proof) || len(bound) != v1.JoinBindingLength {
			t.Fatalf("what was not signed for this connection was accepted: %+v", in)
		}
		if sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo); name != "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]) {
			t.Errorf("the key is called %s", name)
		}
		if public.Equal(key.Public()) && !bytes.Equal(signed, statement) {
			t.Errorf("another statement passes for the one that was signed")
		}
	})
}

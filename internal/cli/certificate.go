package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// userCertificate makes a key here, has a certificate signed for it, and writes both beside the authority of the nodes: all that the user needs to call a node.
func userCertificate(c *cobra.Command, e Env, call Call, args []string) error {
	if len(args) != 1 || args[0] == "+" {
		return usageError{errors.New("user certificate needs one user"), ""}
	}
	dir, _ := call.Body["dir"].(string)
	request, _ := call.Body["request"].(string)
	revoke, _ := call.Body["revoke"].(bool)
	fingerprint, _ := call.Body["fingerprint"].(string)
	for _, own := range []string{"dir", "request", "revoke", "fingerprint"} {
		delete(call.Body, own)
	}
	if revoke {
		call.Verb, call.Body = "revoke-certificate", map[string]any{"names": args}
		if fingerprint != "" {
			call.Body["fingerprint"] = fingerprint
		}
		return carryOut(c, e, call)
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	var key *ecdsa.PrivateKey
	if request != "" {
		call.Body["request"], err = readRequest(request)
	} else {
		key, call.Body["request"], err = newRequest(args[0])
	}
	if err != nil {
		return err
	}
	answer, err := client.Do(c.Context(), call)
	if err != nil {
		return err
	}
	given, err := decoded[v1.UserCertified](answer)
	if err != nil {
		return err
	}
	base := filepath.Join(dir, args[0])
	if err := writeCertificate(base, key, given); err != nil {
		return err
	}
	if form, _ := format(c); form != "table" {
		return write(e.Stdout, form, answer)
	}
	for _, m := range given.Messages {
		fmt.Fprintln(e.Stdout, m)
	}
	fmt.Fprintf(e.Stdout, "The certificate of %s, %s, holds until %s.\nWith it: redoubt --host NODE --cert %s.pem --key %s.key --ca %s-ca.pem status\n",
		args[0], given.Fingerprint, given.Expires.Local().Format(time.DateOnly), base, base, base)
	return nil
}

func newRequest(user string) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make a key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user}}, key)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make a signing request: %w", err)
	}
	return key, der, nil
}

// readRequest reads a signing request in either of its forms.
func readRequest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read the signing request: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read the signing request: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes, nil
	}
	return text, nil
}

// writeCertificate writes the files. One that is there is not overwritten: it may be the only copy of a key.
func writeCertificate(base string, key *ecdsa.PrivateKey, given v1.UserCertified) error {
	files := []struct {
		name string
		text []byte
		mode os.FileMode
	}{{base + ".pem", []byte(given.Chain), 0o644}, {base + "-ca.pem", []byte(given.Authority), 0o644}}
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fault.Errorf(fault.Internal, "write the key: %w", err)
		}
		files = append(files, files[0])
		files[0].name, files[0].text, files[0].mode = base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600
	}
	if dir := filepath.Dir(base); dir != "." {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fault.Errorf(fault.Invalid, "make the folder for the certificate: %w", err)
		}
	}
	for _, f := range files {
		out, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if errors.Is(err, os.ErrExist) {
			return fault.Errorf(fault.Exists, "%s is there already and is not overwritten; the certificate was given: revoke it with `redoubt user certificate --revoke --fingerprint %s`, or move the file away and ask again", f.name, given.Fingerprint)
		}
		if err == nil {
			_, err = out.Write(f.text)
			err = errors.Join(err, out.Close())
		}
		if err != nil {
			return fault.Errorf(fault.Invalid, "write %s: %w", f.name, err)
		}
	}
	return nil
}

// apiPort is where nodes listen unless told otherwise.
const apiPort = "7401"

// host makes the client of a node over the network: NODE, NODE:PORT, or NODE@ADDRESS:PORT where the node's name does not lead to it.
func (e Env) host(c *cobra.Command, host string) (remote, error) {
	flag := func(name, env string) string {
		if v := global(c, name); v != "" {
			return v
		}
		return e.getenv(env)
	}
	cert, key, ca := flag("cert", "REDOUBT_CERT"), flag("key", "REDOUBT_KEY"), flag("ca", "REDOUBT_CA")
	session := flag("session", "REDOUBT_SESSION_FILE")
	if session != "" && global(c, "cert") == "" {
		cert, key = "", ""
	}
	var pair []tls.Certificate
	token := ""
	switch {
	case session != "" && cert != "":
		return remote{}, usageError{errors.New("--session and --cert are two ways to be known; give one"), ""}
	case session != "" && ca == "":
		return remote{}, usageError{errors.New("--session needs --ca too"), "`redoubt session open --authority FILE` on a node writes the authority of the nodes."}
	case session != "":
		var err error
		if token, err = e.tokenFrom(session); err != nil {
			return remote{}, err
		}
	case cert == "" || key == "" || ca == "":
		return remote{}, usageError{errors.New("--host needs --cert, --key and --ca too, or --session and --ca"), "`redoubt user certificate NAME` on a node makes the three files."}
	default:
		shown, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return remote{}, fault.Errorf(fault.Invalid, "read the certificate and its key: %w", err)
		}
		pair = []tls.Certificate{shown}
	}
	roots := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil || !roots.AppendCertsFromPEM(text) {
		return remote{}, fault.Errorf(fault.Invalid, "read the authority of the nodes: %s holds no certificate in PEM form", ca)
	}
	name, addr, named := strings.Cut(host, "@")
	if !named {
		name, addr = "", host
	}
	at, port, err := net.SplitHostPort(addr)
	if err != nil {
		at, port = addr, apiPort
	}
	if name == "" {
		name = at
	}
	return remote{client.TLS(net.JoinHostPort(at, port), &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: name, Certificates: pair}).InSession(token)}, nil
}

package survey

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "redoubt/api/v1"
)

// TestLook looks at files made for it and at what this very process has open.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	data, etc := filepath.Join(dir, "data"), filepath.Join(dir, "etc")
	for path, mode := range map[string]os.FileMode{data: 0o750, etc: 0o755} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"data/ca.key": "x", "data/node.pem": "-----BEGIN PRIVATE KEY-----\n", "data/roots.pem": "-----BEGIN CERTIFICATE-----\n", "etc/redoubtd.yaml": "", "program": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := Look(Config{Data: data, Etc: etc, Programs: []string{filepath.Join(dir, "program")}, Secrets: []string{filepath.Join(dir, "none")}})
	if len(p.Missing) > 0 {
		t.Errorf("could not look at %v", p.Missing)
	}
	has := func(name, kind string, mode uint32) {
		t.Helper()
		if !slices.Contains(p.Files, v1.FileFact{Path: filepath.Join(dir, name), Kind: kind, Mode: mode, UID: uint32(os.Getuid())}) {
			t.Errorf("%s as %s %04o is not among %+v", name, kind, mode, p.Files)
		}
	}
	has("data", v1.FileState, 0o750)
	has("data/ca.key", v1.FileKey, 0o640)
	has("data/node.pem", v1.FileKey, 0o640)
	has("etc/redoubtd.yaml", v1.FileConfig, 0o640)
	has("program", v1.FileProgram, 0o640)
	for _, f := range p.Files {
		if filepath.Base(f.Path) == "roots.pem" && f.Kind == v1.FileKey {
			t.Error("a public certificate is taken for a key")
		}
	}
	if !slices.ContainsFunc(p.Files, func(f v1.FileFact) bool { return f.Path == "/" && f.Kind == v1.FileProgram }) {
		t.Error("the folders above a program are not looked at")
	}
	port := l.Addr().(*net.TCPAddr).Port
	i := slices.IndexFunc(p.Sockets, func(s v1.SocketFact) bool { return s.Network == "tcp" && s.Port == port })
	if i < 0 || !p.Sockets[i].Own || p.Sockets[i].Address != "127.0.0.1" || p.Sockets[i].Program == "" {
		t.Errorf("the socket of this process: %+v", p.Sockets)
	}
	if len(p.Modules) == 0 || p.Modules[0].Path != "stdlib" {
		t.Errorf("modules: %+v", p.Modules)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{"0100007F": "127.0.0.1", "00000000000000000000000001000000": "::1", "0000000000000000FFFF00000100007F": "127.0.0.1"} {
		if a, err := parseAddress(in); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v; want %s", in, a, err, want)
		}
	}
	for _, bad := range []string{"", "0100", "x", "0100007F0100007F"} {
		if a, err := parseAddress(bad); err == nil {
			t.Errorf("%q is %v", bad, a)
		}
	}
	if _, _, _, err := socket("tcp", "0: zz:1 0:0 0A 0 0 0 0 0 1"); err == nil {
		t.Error("a damaged line")
	}
}

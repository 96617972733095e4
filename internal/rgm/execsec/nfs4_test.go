package execsec_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"redoubt/internal/rgm/execsec"
)

// ace is an entry of an NFSv4 list.
type ace struct {
	kind, flags, mask uint32
	who               string
}

func nfs4(entries ...ace) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(entries)))
	for _, e := range entries {
		for _, n := range []uint32{e.kind, e.flags, e.mask, uint32(len(e.who))} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		b = append(b, e.who...)
		b = append(b, make([]byte, (4-len(e.who)%4)%4)...)
	}
	return b
}

func TestNFS4Lists(t *testing.T) {
	const read, all = 0x1200a9, 0x1f01ff
	trivial := []ace{{0, 0, all, "OWNER@"}, {0, 0x40, read, "GROUP@"}, {0, 0, read, "EVERYONE@"}}
	for name, c := range map[string]struct {
		entries        []ace
		writers, heirs []string
	}{
		"none":                       {nil, nil, nil},
		"what a mode says":           {trivial, nil, nil},
		"another user":               {append(slices.Clone(trivial), ace{0, 0, 0x2, "bob@example.org"}), []string{"bob@example.org"}, nil},
		"a group":                    {append(slices.Clone(trivial), ace{0, 0x40, 0x4, "staff"}), []string{"staff"}, nil},
		"the owning group":           {[]ace{{0, 0x40, all, "GROUP@"}}, []string{"GROUP@"}, nil},
		"everybody":                  {[]ace{{0, 0, 0x2, "EVERYONE@"}}, []string{"EVERYONE@"}, nil},
		"who may change the list":    {[]ace{{0, 0, 0x40000, "1000"}}, []string{"1000"}, nil},
		"who may become the owner":   {[]ace{{0, 0, 0x80000, "1000"}}, []string{"1000"}, nil},
		"who may take files away":    {[]ace{{0, 0, 0x40, "1000"}}, []string{"1000"}, nil},
		"a refusal gives nothing":    {[]ace{{1, 0, all, "bob"}}, nil, nil},
		"root":                       {[]ace{{0, 0, all, "root@example.org"}, {0, 0, all, "0"}}, nil, nil},
		"in what is made in it":      {[]ace{{0, 0x3, 0x2, "bob"}}, []string{"bob"}, []string{"bob"}},
		"only in what is made in it": {[]ace{{0, 0xb, 0x2, "bob"}}, nil, []string{"bob"}},
	} {
		writers, heirs, err := execsec.NFS4Writers(nfs4(c.entries...))
		if err != nil || !slices.Equal(writers, c.writers) || !slices.Equal(heirs, c.heirs) {
			t.Errorf("%s: %q, %q, %v; want %q, %q", name, writers, heirs, err, c.writers, c.heirs)
		}
	}
	whole := nfs4(trivial...)
	for n := 1; n < len(whole); n++ {
		if _, _, err := execsec.NFS4Writers(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were read", n, len(whole))
		}
	}
	if _, _, err := execsec.NFS4Writers([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff\xff\xff")); err == nil {
		t.Error("a name of 4 GiB was read")
	}
}

// TestServersElsewhere: what lies on a network file system is as safe as its server, which nobody here can look at. A user's own programs are his risk.
func TestServersElsewhere(t *testing.T) {
	facts := []execsec.Fact{
		{Path: "/", Kind: execsec.Directory, Mode: 0o755}, {Path: "/srv", Kind: execsec.Directory, Mode: 0o755, Remote: "NFS"}, {Path: "/srv/x", Kind: execsec.File, Mode: 0o755, Remote: "NFS"},
	}
	vs := execsec.Judge(facts, 0)
	if len(vs) != 1 || vs[0].Path != "/srv" || !strings.Contains(vs[0].Why, "NFS") || vs[0].Remedy == "" {
		t.Errorf("%v", vs)
	}
	if err := execsec.Refuse(execsec.Secure, "Start", vs); err == nil {
		t.Error("SECURE lets it run")
	}
	if vs := execsec.Judge(facts, 1000); len(vs) != 0 {
		t.Errorf("for a user: %v", vs)
	}
	// A list names whoever may write, although the mode lets nobody.
	vs = execsec.Judge([]execsec.Fact{{Path: "/x", Kind: execsec.File, Mode: 0o755, Writers: []string{"bob@example.org"}}}, 0)
	if len(vs) != 1 || !strings.Contains(vs[0].Why, "bob@example.org") {
		t.Errorf("%v", vs)
	}
}

func FuzzNFS4Writers(f *testing.F) {
	f.Add(nfs4(ace{0, 3, 2, "bob"}))
	f.Add([]byte{0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		writers, heirs, err := execsec.NFS4Writers(b)
		if n := len(writers) + len(heirs); err != nil && n > 0 || 8*n > len(b) {
			t.Errorf("%q, %q, %v of %x", writers, heirs, err, b)
		}
	})
}

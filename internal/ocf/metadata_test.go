package ocf

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

const sample = `<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="thing" version="0.9">
<version>1.1</version>
<shortdesc lang="de">Ein Ding</shortdesc><shortdesc lang="en">A
 thing</shortdesc>
<parameters>
<parameter name="ip" unique="1" required="1"><shortdesc>Address</shortdesc><content type="string" default="" /></parameter>
<parameter name="size"><content type="integer" default="4"/></parameter>
<parameter name="suffix"><content type="integer" default=".%F"/></parameter>
<parameter name="fast" reloadable="1"><content type="boolean" default="false"/></parameter>
<parameter name="old"><content type="boolean" default="0"/></parameter>
<parameter name="state"><shortdesc>State file</shortdesc><content type="string" default="/run/thing-RESOURCE_ID.state"/></parameter>
<parameter name="mode"><content type="select" default="b"><option value="a"/><option value="b"/></content></parameter>
<parameter name="Mode"><content type="string"/></parameter>
<parameter name="probe_timeout"><content type="string"/></parameter>
<parameter name="admin_passwd"><content type="string"/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/><action name="stop" timeout="1500ms"/><action name="reload" timeout="9"/><action name="reload-agent" timeout="2min"/>
<action name="monitor" depth="10" timeout="45s" interval="60s"/><action name="monitor" depth="0" timeout="30s" interval="11s"/>
<action name="monitor" role="Promoted" timeout="31s" interval="1s"/>
</actions>
</resource-agent>`

func TestParse(t *testing.T) {
	got, err := parse("ocf:acme:thing", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got.Description != "A thing" || got.Version != "0.9" || got.Vendor != "acme" || got.Driver != "ocf" || got.NetworkAddress {
		t.Errorf("got %+v", got)
	}
	methods := []model.MethodSpec{
		{Method: model.MethodStart, Program: "start", Timeout: 20},
		{Method: model.MethodUpdate, Program: "reload-agent", Timeout: 120},
		{Method: model.MethodStop, Program: "stop", Timeout: 2},
	}
	if d := cmp.Diff(methods, got.Methods); d != "" {
		t.Error(d)
	}
	type row struct {
		Type     model.PropertyType
		Default  string
		Required bool
		Tunable  model.Tunability
	}
	want := map[string]row{
		"ip":                      {model.TypeString, "none", true, model.TunableWhenDisabled},
		"size":                    {model.TypeInt, "4", false, model.TunableWhenDisabled},
		"suffix":                  {model.TypeString, ".%F", false, model.TunableWhenDisabled},
		"fast":                    {model.TypeBool, "false", false, model.TunableAnytime},
		"old":                     {model.TypeString, "0", false, model.TunableWhenDisabled},
		"state":                   {model.TypeString, "none", false, model.TunableWhenDisabled},
		"mode":                    {model.TypeEnum, "b", false, model.TunableWhenDisabled},
		"admin_passwd":            {model.TypeString, "none", false, model.TunableWhenDisabled},
		"OCF_CHECK_LEVEL":         {model.TypeInt, "0", false, model.TunableAnytime},
		"Probe_timeout":           {model.TypeInt, "45", false, model.TunableAnytime},
		"Thorough_probe_interval": {model.TypeInt, "11", false, model.TunableAnytime},
	}
	have := map[string]row{}
	for _, s := range got.Properties {
		def := "none"
		if s.Default != nil {
			def = s.Default[0]
		}
		have[s.Name] = row{s.Type, def, s.Required, s.Tunable}
		if s.Secret != (s.Name == "admin_passwd") || s.Unique != (s.Name == "ip") {
			t.Errorf("%s: secret %v, unique %v", s.Name, s.Secret, s.Unique)
		}
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

func TestParseRefuses(t *testing.T) {
	actions := `<actions><action name="start"/><action name="stop"/><action name="monitor"/></actions>`
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n", "it is empty"},
		{"no XML", "command not found\n", "line 2: there is no resource-agent element"},
		{"another document", "<html>\n</html>", "line 1"},
		{"cut off", "<resource-agent>\n<parameters>\n<parameter", "line 3"},
		{"wrong nesting", "<resource-agent>\n<actions>\n</parameters></resource-agent>", "line 3"},
		{"unknown entity", "<resource-agent>\n\n<longdesc>&boom;</longdesc></resource-agent>", "line 3"},
		{"declared entities are not expanded", "<!DOCTYPE a [<!ENTITY boom \"boom\">]><resource-agent><version>&boom;</version></resource-agent>", "line 1"},
		{"encoding", `<?xml version="1.0" encoding="EBCDIC"?><resource-agent/>`, "EBCDIC"},
		{"no stop", `<resource-agent><actions><action name="start"/><action name="monitor"/></actions></resource-agent>`, "no action stop"},
		{"bad timeout", `<resource-agent><actions><action name="start" timeout="soon"/></actions></resource-agent>`, `"soon" is not a time`},
		{"parameter name", "<resource-agent>\n<parameters>\n\n<parameter name=\"a b\"/></parameters>" + actions + "</resource-agent>", `line 4: parameter name "a b"`},
		{"too many parameters", "<resource-agent><parameters>" + strings.Repeat("<parameter/>", maxParameters+1) + "</parameters></resource-agent>", "1001 parameters"},
		{"too long", "<resource-agent>" + strings.Repeat(" ", maxMetadata), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse("ocf:acme:thing", []byte(c.text))
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "ocf:acme:thing") {
				t.Errorf("got %v, want one that says %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`<resource-agent><actions><action name="start" timeout="99999999999999999999h"/></actions></resource-agent>`))
	f.Add([]byte(`<?xml version="1.0" encoding="iso-8859-1"?><resource-agent>` + "\xe9" + `</resource-agent>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse("ocf:acme:thing", text)
		if err != nil {
			if err.Error() == "" || !fault.Is(err, fault.Invalid) {
				t.Errorf("error %#v", err)
			}
			return
		}
		names := map[string]bool{}
		for _, s := range got.Properties {
			if !parameterName.MatchString(s.Name) || names[strings.ToLower(s.Name)] {
				t.Errorf("property %q", s.Name)
			}
			names[strings.ToLower(s.Name)] = true
			if s.Default != nil && !fits(s, s.Default[0]) {
				t.Errorf("default of %q does not fit its type", s.Name)
			}
		}
		for _, m := range got.Methods {
			if m.Timeout < 0 {
				t.Errorf("timeout %d", m.Timeout)
			}
		}
	})
}

func TestSeconds(t *testing.T) {
	for s, want := range map[string]int{"": 0, "20": 20, "20s": 20, " 5 s ": 5, "500ms": 1, "1500ms": 2, "2m": 120, "1h": 3600, "0": 0} {
		if got, err := seconds(s); err != nil || got != want {
			t.Errorf("seconds(%q) = %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"s", "-1", "1.5", "20x", "99999999999", "2000000000h"} {
		if got, err := seconds(s); err == nil {
			t.Errorf("seconds(%q) = %d", s, got)
		}
	}
}

func TestParseTmpfiles(t *testing.T) {
	got := parseTmpfiles("# comment\nd /run/postgresql 2775 postgres postgres - -\nd\t/var/run/x\nD! /run/y 0700\nd /var/log/z\nd /run/systemd/a\nd /run/%m\nd /run/b ~0750 u -\nL /run/c - - - - d\nd /run/../etc/x\nd\n")
	want := []runDir{
		{"/run/postgresql", unixMode(0o2775), "postgres", "postgres"},
		{"/run/x", 0o755, "-", "-"},
		{"/run/b", 0o750, "u", "-"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(runDir{})); d != "" {
		t.Error(d)
	}
}

func TestSaid(t *testing.T) {
	for output, want := range map[string]string{
		"":                    "",
		"INFO: all is well\n": "",
		"ERROR: x\nocf-exit-reason:first\nocf-exit-reason: second \nmore\n": ": second",
		"a\nb: broken\n\n": ": b: broken",
	} {
		if got := said(output); got != want {
			t.Errorf("said(%q) = %q", output, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	if parent, name, ok := parseStat("12 (a) b) S 7 1 2"); parent != 7 || name != "a) b" || !ok {
		t.Errorf("got %d %q %v", parent, name, ok)
	}
	for _, s := range []string{"", "1 (a", ") (", "1 (a) S", "1 (a) S x"} {
		if _, _, ok := parseStat(s); ok {
			t.Errorf("parseStat(%q)", s)
		}
	}
}

func TestPrefixBits(t *testing.T) {
	a, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	for mask, want := range map[string]int{"24": 24, "32": 32, "255.255.255.0": 24, "255.255.255.255": 32, "128.0.0.0": 1} {
		if got, err := prefixBits(a, mask); err != nil || got != want {
			t.Errorf("%s: %d, %v", mask, got, err)
		}
	}
	for _, mask := range []string{"", "0", "33", "-1", "255.0.255.0", "0.0.0.0", "x", "::"} {
		if got, err := prefixBits(a, mask); err == nil {
			t.Errorf("%s: %d", mask, got)
		}
	}
	if got, err := prefixBits(v6, "128"); err != nil || got != 128 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := prefixBits(v6, "255.0.0.0"); err == nil {
		t.Error("an IPv4 netmask was taken for an IPv6 address")
	}
}

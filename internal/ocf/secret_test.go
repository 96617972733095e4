package ocf_test

import (
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/ocf"
)

// strongbox has one private string, bound to resource web.
type strongbox struct{}

func (strongbox) SecretValue(r cluster.ResourceName, name string) (string, error) {
	if name != "pw" || r != "web" {
		return "", fault.Errorf(fault.Denied, "private string %s is not for resource %s", name, r)
	}
	return "hunter2 with spaces", nil
}

// TestSecretsReachTheAgentAndNothingElse: a parameter secret:NAME comes to the agent with the value of the private string, which stands neither in its
// arguments nor in what is kept of its output.
func TestSecretsReachTheAgentAndNothingElse(t *testing.T) {
	h := scripted(t, map[string]string{"show": `printf '%s' "$OCF_RESKEY_plain" >"$OCF_RESKEY_file"; echo "I was told $OCF_RESKEY_plain"; tr '\0' ' ' </proc/$$/cmdline; [ $1 != start ] || exit 1`})
	h.cfg.Secrets = strongbox{}
	h = newHostLike(t, h)
	out := filepath.Join(openDir(t), "seen")
	c := h.call(t, "ocf:test:show", "web", "plain", "secret:pw", "file", out)
	r := h.do(t.Context(), c, start)
	if got := lines(t, out); len(got) != 1 || got[0] != "hunter2 with spaces" {
		t.Errorf("the agent saw %q", got)
	}
	if strings.Contains(r.Output+r.Message, "hunter2") || !strings.Contains(r.Output, "I was told ****") {
		t.Errorf("what is kept of its output: %+v", r)
	}

	// A string of another resource is not given, and the agent does not run without it.
	other := h.call(t, "ocf:test:show", "other", "plain", "secret:pw", "file", out+"2")
	if r := h.do(t.Context(), other, start); r.OK() || !strings.Contains(r.Message, "not for resource other") {
		t.Errorf("another resource: %+v", r)
	}
	// A stop has to be tried in any case.
	if r := h.do(t.Context(), other, stop); !r.OK() {
		t.Errorf("stop without the string: %+v", r)
	}
}

var _ ocf.Secrets = strongbox{}

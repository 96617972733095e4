package ocf

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/rgm/model"
)

// featureSet is the set of features of Pacemaker that agents are told of: by it they choose between spellings of its tools.
const featureSet = "3.16.1"

// environment is everything an agent gets, for any of its actions.
func (d *Driver) environment(call agent.Call) []string {
	dirs := "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin"
	env := []string{}
	if d.cfg.ToolDir != "" {
		dirs = d.cfg.ToolDir + ":" + dirs
		env = append(env, "HA_SBIN_DIR="+d.cfg.ToolDir) // where agents look when they do not trust their PATH
	}
	env = append(env,
		"PATH="+dirs,
		"LC_ALL=C",
		"SHELL=/bin/bash", // the agents' functions run process substitutions in it
		"OCF_ROOT="+d.cfg.Root,
		"OCF_RA_VERSION_MAJOR=1",
		"OCF_RA_VERSION_MINOR=1",
		"OCF_RESOURCE_INSTANCE="+string(call.Resource.Name),
		"OCF_RESOURCE_TYPE="+agentName(call.Type.Name),
		"OCF_RESOURCE_PROVIDER="+provider(call.Type.Name),
		"OCF_EXIT_REASON_PREFIX="+reasonPrefix,
		"OCF_OUTPUT_FORMAT=text",
		"OCF_RESKEY_crm_feature_set="+featureSet,
		"OCF_RESKEY_CRM_meta_timeout="+strconv.FormatInt(call.Timeout.Milliseconds(), 10),
		"OCF_RESKEY_CRM_meta_on_node="+string(call.Node),
		"HA_RSCTMP="+d.cfg.RunDir,
		"HA_LOGFACILITY=none", // what agents log goes to their output and from there to the log of the node
		"HA_debug=0",
	)
	if promotes(call) {
		env = append(env, promotedMeta(call)...)
	}
	for _, p := range d.parameters(call) {
		env = append(env, "OCF_RESKEY_"+p.name+"="+p.value)
	}
	return env
}

// probeEnvironment is that of a recurring monitor. A monitor without an interval is a probe to agents: they then look whether the resource
// might be running, and are not surprised when it is not.
func (d *Driver) probeEnvironment(call agent.Call, level int, interval time.Duration) []string {
	return append(d.environment(call),
		"OCF_CHECK_LEVEL="+strconv.Itoa(level),
		"OCF_RESKEY_OCF_CHECK_LEVEL="+strconv.Itoa(level),
		"OCF_RESKEY_CRM_meta_interval="+strconv.FormatInt(max(interval.Milliseconds(), 1), 10),
		"OCF_RESKEY_CRM_meta_name=monitor",
	)
}

type parameter struct{ name, value string }

// parameters are the agent's parameters of a resource. Agents that are shell scripts have their defaults in themselves, and what their meta-data
// shows as default may be for people to read ("detect", "exists, but impossible to show"): they get only what is different from it, as they
// do from Pacemaker. All others get the defaults of the meta-data.
func (d *Driver) parameters(call agent.Call) []parameter {
	ownDefaults := true
	if path, err := d.locate(call.Type.Name); err == nil {
		ownDefaults = isShell(path)
	}
	var out []parameter
	for _, s := range call.Type.Properties {
		if slices.Contains(driverProperties, s.Name) {
			continue
		}
		def := strings.Join(s.Default, " ")
		v, set := value(call, s.Name)
		switch {
		case s.Default != nil && ownDefaults && set && (v == def || s.Type == model.TypeBool && strings.EqualFold(v, def)):
			continue
		case !set && (s.Default == nil || ownDefaults):
			continue
		case !set:
			v = def
		}
		if s.Type == model.TypeBool {
			v = strings.ToLower(v)
		}
		out = append(out, parameter{s.Name, v})
	}
	return out
}

// value is what the call says of a property: what changes before what is, and what is for this node before what is for all.
func value(call agent.Call, name string) (string, bool) {
	for _, from := range [][]model.Property{call.Changes, call.Resource.Properties} {
		found, general := -1, -1
		for i, p := range from {
			switch {
			case !strings.EqualFold(p.Name, name):
			case p.Node == call.Node && p.Node != "":
				found = i
			case p.Node == "":
				general = i
			}
		}
		if found < 0 {
			found = general
		}
		if found >= 0 {
			return strings.Join(from[found].Values, " "), true
		}
	}
	return "", false
}

// own is the value of one of the driver's own properties, "" when it has none.
func own(call agent.Call, name string) string {
	v, ok := value(call, name)
	if !ok {
		for _, s := range call.Type.Properties {
			if s.Name == name && len(s.Default) == 1 {
				v = s.Default[0]
			}
		}
	}
	return v
}

// number is the value of one of the driver's own properties, 0 when it has none.
func number(call agent.Call, name string) int {
	n, err := strconv.Atoi(own(call, name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// isShell reports whether a program is a shell script.
func isShell(program string) bool {
	f, err := os.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	buf := make([]byte, 128)
	n, err := f.Read(buf)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(buf[:n]), "\n")
	line, ok := strings.CutPrefix(first, "#!")
	words := strings.Fields(line)
	if !ok || len(words) == 0 {
		return false
	}
	if path.Base(words[0]) == "env" {
		words = words[1:]
	}
	return len(words) > 0 && slices.Contains([]string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"}, path.Base(words[0]))
}

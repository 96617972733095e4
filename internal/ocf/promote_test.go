package ocf_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/model"
)

// Debian's agents that have two roles and nothing else: without a demotion their stop fails.
func TestRealAgentIsPromoted(t *testing.T) {
	for _, c := range []struct {
		agent                string
		started, promoted    string // what stands in its file
		startedAt, servingAt string // its promotion score
	}{
		{"pacemaker", "Unpromoted", "Promoted", "5", "10"}, {"heartbeat", "slave", "master", "5", "10"},
	} {
		t.Run(c.agent, func(t *testing.T) {
			tools := toolDir(t)
			h := newHost(t, func(c *ocf.Config) { c.ToolDir = tools })
			file := filepath.Join(openDir(t), "state")
			name := cluster.TypeName("ocf:" + c.agent + ":Stateful")
			score := func(want string) {
				t.Helper()
				if got, _, err := files(tools).Get(t.Context(), "n1", "master-st"); got != want || err != nil {
					t.Errorf("promotion score %q, %v", got, err)
				}
			}
			is := func(want string) {
				t.Helper()
				if got := strings.Join(lines(t, file), " "); got != want {
					t.Errorf("it is %q, want %q", got, want)
				}
			}
			plain := h.call(t, name, "st", "state", file)
			h.must(t, plain, start)
			is(c.started)
			score(c.startedAt)
			h.must(t, plain, stop)

			call := h.call(t, name, "st", "state", file, "Promote", "true")
			h.must(t, call, start)
			is(c.promoted)
			score(c.servingAt)
			w := h.watch(t, call)
			w.expect(t, 10*time.Second, agent.Healthy)
			write(t, file, c.started+"\n")
			if o := w.expect(t, 10*time.Second, agent.Failed); !strings.Contains(o.Message, "it runs, but is not promoted any more") {
				t.Errorf("%+v", o)
			}
			w.stop()
			// Stopped as it is, promoted and not there.
			h.must(t, call, stop, start, stop, stop)
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("its file: %v", err)
			}
			score("")
		})
	}
}

// A server whose agent makes it wait for a master that there is none of, unless it is promoted.
func TestRedisIsPromoted(t *testing.T) {
	t.Parallel()
	conf := write(t, filepath.Join(openDir(t), "redis.conf"), "bind 127.0.0.1\nport 6398\ndir /run/redis-test2\ndaemonize yes\npidfile /run/redis-test2/redis.pid\nunixsocket /run/redis-test2/redis.sock\nlogfile /run/redis-test2/log\nsave \"\"\n")
	tools := toolDir(t)
	h := newHost(t, func(c *ocf.Config) { c.ToolDir = tools })
	c := h.call(t, "ocf:heartbeat:redis", "cache", "config", conf, "rundir", "/run/redis-test2", "pidfile_name", "redis.pid", "socket_name", "redis.sock", "port", "6398", "Promote", "true")
	h.must(t, c, start)
	w := h.watch(t, c)
	w.expect(t, 10*time.Second, agent.Healthy)
	w.stop()
	h.must(t, c, stop, start) // it remembers who served last
}

// promotable is an agent that notes in a file what it is asked, and keeps its role in another. $plain names an action that fails, or, with a + before it, hangs.
const promotable = `#!/bin/sh
if [ $1 = meta-data ]; then cat <<'END'
<resource-agent name="x" version="1"><parameters>
<parameter name="file"><content type="string"/></parameter><parameter name="plain"><content type="string"/></parameter>
</parameters><actions><action name="start" timeout="5"/><action name="promote" timeout="7"/><action name="demote" timeout="3"/><action name="notify" timeout="5"/>
<action name="stop" timeout="5"/><action name="monitor" timeout="5"/></actions></resource-agent>
END
exit 0; fi
m() { eval echo "[\$OCF_RESKEY_CRM_meta_notify_$1]"; }
state=$OCF_RESKEY_file.state
what=$1
[ $1 = notify ] && what=$1:$OCF_RESKEY_CRM_meta_notify_type-$OCF_RESKEY_CRM_meta_notify_operation
[ $1 = monitor ] || echo $what >>$OCF_RESKEY_file
[ $1 = notify ] && echo "$what active $(m active_resource) promoted $(m master_uname) unpromoted $(m slave_uname) promote $(m promote_uname) all $(m all_uname)" >>$OCF_RESKEY_file.lists
[ "$OCF_RESKEY_plain" = "+$1" ] && exec sleep 1000
[ "$OCF_RESKEY_plain" = $1 ] && { echo "ocf-exit-reason:$1 is planted"; exit 1; }
case $1 in
start) [ "$OCF_RESKEY_CRM_meta_promotable $OCF_RESKEY_CRM_meta_master_max $OCF_RESKEY_CRM_meta_clone_max" != "true 1 1" ] && echo plain >>$OCF_RESKEY_file; echo 0 >$state;;
promote) echo 8 >$state;;
demote) echo 0 >$state;;
stop) [ ! -e $state ] || [ "$OCF_RESKEY_CRM_meta_promotable" != true ] || [ $(cat $state) = 0 ] || [ "$OCF_RESKEY_plain" ] || exit 8; rm -f $state;;
monitor) [ -e $state ] || exit 7; exit $(cat $state);;
esac
exit 0
`

func TestStepsOfPromotion(t *testing.T) {
	h := scripted(t, map[string]string{"role": promotable})
	const up, down = "start notify:post-start notify:pre-promote promote notify:post-promote", "notify:pre-demote demote notify:post-demote notify:pre-stop stop"
	for name, c := range map[string]struct {
		set     []string
		start   string
		message string // with which the start fails
		stop    string
	}{
		"promoted":        {[]string{"Promote", "true"}, up, "", down},
		"plain":           {nil, "start plain", "", "stop"},
		"nobody is told":  {[]string{"Promote", "TRUE", "Promote_notify", "false"}, "start promote", "", "demote stop"},
		"start fails":     {[]string{"Promote", "true", "plain", "start"}, "start", "start: exit status 1, it failed: start is planted", "notify:pre-stop stop"},
		"promotion fails": {[]string{"Promote", "true", "plain", "promote"}, "start notify:post-start notify:pre-promote promote", "promote: exit status 1, it failed: promote is planted", "notify:pre-stop stop"},
		"promotion hangs": {[]string{"Promote", "true", "plain", "+promote"}, "start notify:post-start notify:pre-promote promote", "promote of ocf:test:role took longer than", "notify:pre-stop stop"},
		"demotion fails":  {[]string{"Promote", "true", "plain", "demote"}, up, "", "notify:pre-demote demote notify:pre-stop stop"},
		"demotion hangs":  {[]string{"Promote", "true", "plain", "+demote"}, up, "", "notify:pre-demote demote notify:pre-stop stop"},
		"notify fails":    {[]string{"Promote", "true", "plain", "notify"}, up, "", down},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(openDir(t), "log")
			call := h.call(t, "ocf:test:role", "r", append(c.set, "file", file)...)
			did := func(m model.Method) (string, agent.Result) {
				os.Remove(file)
				spec, _ := call.Type.Method(m)
				call.Method, call.Timeout = m, time.Duration(spec.Timeout)*time.Second
				if strings.Contains(name, "hangs") {
					call.Timeout = 500 * time.Millisecond
				}
				r := h.Run(t.Context(), call)
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Join(strings.Fields(string(b)), " "), r
			}
			ran, r := did(start)
			if ran != c.start || r.OK() != (c.message == "") || !strings.Contains(r.Message, c.message) {
				t.Errorf("start ran %s: %+v", ran, r)
			}
			if ran, r = did(stop); ran != c.stop || !r.OK() {
				t.Errorf("stop ran %s: %+v", ran, r)
			}
			// Once more, when nothing is there.
			if ran, r = did(stop); strings.Contains(ran, "demote") || !r.OK() {
				t.Errorf("a second stop ran %s: %+v", ran, r)
			}
		})
	}
}

// What an agent is told of the instances, of which there is one.
func TestNotifyNamesTheInstance(t *testing.T) {
	h := scripted(t, map[string]string{"role": promotable})
	file := filepath.Join(openDir(t), "log")
	c := h.call(t, "ocf:test:role", "r", "Promote", "true", "file", file)
	h.must(t, c, start, stop)
	got := lines(t, file+".lists")
	want := []string{
		"notify:post-start active [ ] promoted [ ] unpromoted [ ] promote [ ] all [n1]",
		"notify:pre-promote active [r] promoted [ ] unpromoted [n1] promote [n1] all [n1]", "notify:post-promote active [r] promoted [ ] unpromoted [n1] promote [n1] all [n1]",
		"notify:pre-demote active [r] promoted [n1] unpromoted [ ] promote [ ] all [n1]", "notify:post-demote active [r] promoted [n1] unpromoted [ ] promote [ ] all [n1]",
		"notify:pre-stop active [r] promoted [ ] unpromoted [n1] promote [ ] all [n1]",
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// The two properties are those of agents that can be promoted; Start and Stop have the time of the longer of their actions.
func TestPromoteIsAProperty(t *testing.T) {
	h := scripted(t, map[string]string{"role": promotable, "none": "exit 0", "mute": strings.Replace(promotable, `<action name="notify" timeout="5"/>`, "", 1)})
	for name, want := range map[string]string{"role": "Promote=false Promote_notify=true", "none": "", "mute": "Promote=false Promote_notify=false"} {
		typ, err := h.Describe(t.Context(), cluster.TypeName("ocf:test:"+name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range typ.Properties {
			if strings.HasPrefix(p.Name, "Promote") {
				got = append(got, p.Name+"="+p.Default[0])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
		if s, _ := typ.Method(start); name == "role" && s.Timeout != 7 {
			t.Errorf("Start has %d seconds", s.Timeout)
		}
		if s, _ := typ.Method(stop); name == "role" && s.Timeout != 5 {
			t.Errorf("Stop has %d seconds", s.Timeout)
		}
	}
}

package execsec_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// account makes users whose number says who they are.
func account(name string, uid int) execsec.Account {
	return execsec.Account{Name: name, UID: uid, GID: uid, Groups: []int{uid}}
}

var (
	root = account("root", 0)
	app  = account("app", 1000)
	bob  = account("bob", 2000)
)

// way is a program that belongs to a user, in a directory of root's.
func way(uid int, mode uint32) []execsec.Fact {
	return []execsec.Fact{{Path: "/", Kind: execsec.Directory, Mode: 0o755}, {Path: "/p", Kind: execsec.File, UID: uid, GID: uid, Mode: mode}}
}

// TestTheTableOfUsers is the table of Solaris Cluster, every level with every owner.
func TestTheTableOfUsers(t *testing.T) {
	const refused = "refused"
	for _, c := range []struct {
		level      execsec.Level
		configured *execsec.Account
		owner      execsec.Account
		mode       uint32
		want       string // the user
		warns      bool
	}{
		{execsec.Secure, &app, root, 0o755, "app", false},
		{execsec.Secure, &app, app, 0o755, "app", false},
		{execsec.Secure, &app, bob, 0o755, refused, false},
		{execsec.Secure, nil, root, 0o755, "root", false},
		{execsec.Secure, nil, bob, 0o755, "bob", false},
		{execsec.Secure, &root, bob, 0o755, refused, false},
		{execsec.Secure, &app, root, 0o775, refused, false},
		{execsec.Secure, &app, root, 0o757, refused, false},
		{execsec.Secure, &app, root, 0o750, refused, false}, // app can not execute it
		{execsec.Secure, nil, bob, 0o700, "bob", false},
		{execsec.Warn, &app, root, 0o755, "app", false},
		{execsec.Warn, &app, bob, 0o755, "app", true},
		{execsec.Warn, &app, root, 0o777, "app", true},
		{execsec.Warn, &app, root, 0o700, "app", true},
		{execsec.Warn, &root, bob, 0o755, refused, false},
		{execsec.Warn, nil, bob, 0o755, "bob", false},
		{execsec.Override, &app, root, 0o755, "root", true},
		{execsec.Override, &app, bob, 0o755, "bob", true},
		{execsec.Override, nil, bob, 0o777, "bob", true},
		{execsec.Override, &root, bob, 0o755, "bob", true},
		{execsec.Compatibility, &app, bob, 0o755, "root", true},
		{execsec.Compatibility, nil, bob, 0o777, "root", true},
		{execsec.Compatibility, nil, root, 0o755, "root", false},
	} {
		got, err := execsec.Choose(execsec.Application{Level: c.level, Path: "/p", Facts: way(c.owner.UID, c.mode), Configured: c.configured, Owner: c.owner, Caller: root})
		name := got.Account.Name
		if err != nil {
			name = refused
		}
		if name != c.want || err == nil && (len(got.Warnings) > 0) != c.warns {
			t.Errorf("%s, Application_user %v, owner %s, mode %o: got %s, warnings %q, %v; want %s, warnings %v", c.level, c.configured, c.owner.Name, c.mode, name, got.Warnings, err, c.want, c.warns)
		}
	}
}

func TestDirectoriesOfTheUserAreHisOwnRisk(t *testing.T) {
	facts := []execsec.Fact{{Path: "/home", Kind: execsec.Directory, Mode: 0o755}, {Path: "/home/app", Kind: execsec.Directory, UID: 1000, Mode: 0o750}, {Path: "/home/app/p", Kind: execsec.File, UID: 1000, Mode: 0o755}}
	if vs := execsec.Judge(facts, 1000); len(vs) > 0 {
		t.Errorf("for the user himself: %v", vs)
	}
	if vs := execsec.Judge(facts, 0); len(vs) != 2 {
		t.Errorf("for root: %v", vs)
	}
	if vs := execsec.Judge(facts, 2000); len(vs) != 2 {
		t.Errorf("for somebody else: %v", vs)
	}
}

func TestLevels(t *testing.T) {
	for text, want := range map[string]execsec.Level{"": execsec.Secure, "warn": execsec.Warn, "COMPATIBILITY": execsec.Compatibility} {
		if l, err := execsec.ParseLevel(text); err != nil || l != want {
			t.Errorf("%q: %s, %v", text, l, err)
		}
	}
	if _, err := execsec.ParseLevel("NONE"); err == nil {
		t.Error("NONE is a level")
	}
	c := model.Cluster{Properties: []model.Property{{Name: execsec.PropertyName, Values: []string{"something of a later version"}}}}
	if l := execsec.LevelOf(c); l != execsec.Secure {
		t.Errorf("an unknown word counts as %s", l)
	}
}

func TestRefusalsNameEveryPlaceAndRemedy(t *testing.T) {
	facts := []execsec.Fact{{Path: "/a", Kind: execsec.Directory, UID: 7, Mode: 0o777}, {Path: "/a/b", Kind: execsec.Link, UID: 7, Mode: 0o777}}
	vs := execsec.Judge(append(facts, facts...), 0)
	err := execsec.Refuse(execsec.Secure, "Start", vs)
	for _, w := range []string{"chown root /a)", "chmod go-w /a)", "chown -h root /a/b)"} {
		if err == nil || strings.Count(err.Error(), w) != 1 {
			t.Errorf("want %q once: %v", w, err)
		}
	}
	if err := execsec.Refuse(execsec.Warn, "Start", vs); err != nil {
		t.Error(err)
	}
	if err := execsec.Refuse(execsec.Secure, "Start", nil); err != nil {
		t.Error(err)
	}
}

// show writes down programs, what is read as code (after a comma) and paths that may be either (after a bar).
func show(c execsec.Command) string {
	words := func(all []execsec.Mention) string {
		var out []string
		for _, m := range all {
			out = append(out, m.Path)
		}
		return strings.Join(out, " ")
	}
	return words(c.Programs) + "," + words(c.Code) + "|" + words(c.Mentions)
}

// TestWhatACommandRuns: programs, what is read as code (after a comma), and paths that may be either (after a bar).
func TestWhatACommandRuns(t *testing.T) {
	for command, want := range map[string]string{
		"nginx -c /etc/x":                              "nginx,|/etc/x",
		"exec /opt/app/bin/server --port 1":            "/opt/app/bin/server,|",
		"cd /srv && ./run":                             "cd ./run,|/srv",
		"A=1 B=\"x y\" /opt/x; /opt/y | /opt/z &":      "/opt/x /opt/y /opt/z,|",
		"nice -n 10 /opt/x":                            "/opt/x,|",
		"nice -10 /opt/x":                              "/opt/x,|",
		"timeout 5 /home/bob/x":                        "/home/bob/x,|",
		"timeout -s KILL -k 1 5 x /y":                  "x,|/y",
		"env -u A B=1 /home/bob/x":                     "/home/bob/x,|",
		"/usr/bin/env -i x":                            "x,|/usr/bin/env",
		"env -S 'A=1 /home/bob/x'":                     "/home/bob/x,|/home/bob/x",
		"exec -a name /home/bob/x":                     "/home/bob/x,|",
		"flock -w 1 /run/l /home/bob/x":                "/home/bob/x,|/run/l",
		"flock /run/l -c '/home/bob/x; /y'":            "/home/bob/x /y,|/run/l /home/bob/x; /y /home/bob/x /y",
		"stdbuf -oL -e L /home/bob/x":                  "/home/bob/x,|",
		"xargs -n 1 /home/bob/x </etc/list":            "/home/bob/x,|/etc/list",
		"chrt -f 10 nice taskset 3 /x":                 "/x,|",
		"sh /home/bob/x.sh":                            "sh,/home/bob/x.sh|",
		"sh -eu x.sh /a":                               "sh,x.sh|/a",
		"sh < /home/bob/x":                             "sh,/home/bob/x|/home/bob/x",
		"python3.11 -u -W ignore /home/bob/x.py /a":    "python3.11,/home/bob/x.py|/a",
		"python3 -m http.server -d /srv":               "python3,|/srv",
		"python -c 'import os; os.system(\"/a/b c\")'": "python,|/a/b",
		"perl -w /x.pl":                                "perl,/x.pl|",
		"bash -euo pipefail -c '/opt/x /y'":            "bash /opt/x,|/y /opt/x /y /opt/x /y",
		"bash -ceo pipefail '/opt/x'":                  "bash /opt/x,|/opt/x",
		"bash -O extglob +eo posix -ec /opt/x":         "bash /opt/x,|/opt/x",
		"bash -euo pipefail /home/bob/x.sh":            "bash,/home/bob/x.sh|",
		"perl -ne 'print' /var/log/x":                  "perl,|/var/log/x",
		"perl -lpe s/a/b/ x; perl -0777e1 x":           "perl perl,|",
		"perl -MStorable -w /home/bob/x.pl":            "perl,/home/bob/x.pl|",
		"perl -Mre /home/bob/x.pl":                     "perl,/home/bob/x.pl|",
		"ruby -ne puts /y; ruby -rbase /home/bob/x.rb": "ruby ruby,/home/bob/x.rb|/y",
		"python -uc 'print(1)' x":                      "python,|",
		"python -Wonce -uW once /home/bob/x.py":        "python,/home/bob/x.py|",
		"node -pe 1 x; node -expose-gc /home/bob/x.js": "node node,/home/bob/x.js|",
		"perl -I/home/bob/lib -wI /a -ne 1 x":          "perl,/home/bob/lib /a|/home/bob/lib",
		"ruby -w -r/home/bob/x -rset /y.rb":            "ruby,/home/bob/x /y.rb|/home/bob/x",
		"ruby -r set -wr json -r ./x /y.rb":            "ruby,./x /y.rb|",
		"node --import a/b -r /c /y.js":                "node,/c /y.js|",
		"java -jar x.jar":                              "java,x.jar|",
		"awk -F/ -f/home/bob/x /y":                     "awk,/home/bob/x|/home/bob/x /y",
		"gawk --file=/home/bob/x /y":                   "gawk,/home/bob/x|/home/bob/x /y",
		"make -j2 -C/home/bob all":                     "make,/home/bob|/home/bob",
		"java --class-path=/a/x.jar:/b/* -Dlog=/l M":   "java,/a/x.jar /b|/a/x.jar /l",
		"NODE_OPTIONS='-r /a --import=/b' x":           "x,/a /b|/b /a /b",
		"export PERL5OPT=-I/home/bob/lib; x":           "x,/home/bob/lib|/home/bob/lib",
		"awk '{system(\"/home/bob/x\")}' /y":           "awk,|/home/bob/x /y",
		"JAVA_TOOL_OPTIONS='-D=/l -javaagent:/c=1' /x": "/x,/c|/l /c /l /c",
		"java -Xmx1g -jar /home/bob/x.jar --x=/y":      "java,/home/bob/x.jar|/y",
		"java -cp /a/x.jar:/b/* -javaagent:/c=1 Main":  "java,/a/x.jar /b /c|/c",
		"/lib64/ld-linux-x86-64.so.2 /home/bob/x":      "/lib64/ld-linux-x86-64.so.2,/home/bob/x|",
		". /etc/default/x; '/opt/a b' c":               ". /opt/a b,/etc/default/x|",
		"if test -e /x; then /opt/y; fi":               "test /opt/y,|/x",
		"$DIR/x; /opt/y":                               "/opt/y,|",
		"$DIR/x --run=/opt/y":                          ",|/opt/y",
		"/opt/$x":                                      ",|",
		"/opt/x >/home/bob/log 2>&1 </dev/null":        "/opt/x,|/dev/null",
		"> '/tmp/a b' /opt/x":                          "/opt/x,|",
		"(sleep 1; /opt/x) &":                          "sleep /opt/x,|",
		"echo '; /home/bob/x' # ; /home/bob/y\n/opt/z": "echo /opt/z,|/home/bob/x",
		"echo \"$(/home/bob/x) $A/b ${C}/d\"":          "echo /home/bob/x,|/home/bob/x",
		"sh -c '/opt/x'":                               "sh /opt/x,|/opt/x",
		"bash -lc \"sh -c 'timeout 1 /opt/x'\" /a":     "bash sh /opt/x,|/opt/x /opt/x /a",
		"eval 'exec /opt/x' -a":                        "eval /opt/x,|/opt/x",
		"find / -exec /home/bob/x {} +":                "find /home/bob/x,|/home/bob/x",
		"LD_PRELOAD=/home/bob/x.so A=/b /opt/x":        "/opt/x,/home/bob/x.so|/home/bob/x.so /b",
		"export PATH=/home/bob/bin:$PATH; x":           "x,/home/bob/bin|/home/bob/bin",
		"x -I/a/b http://h/c d/e :/f":                  "x,|/a/b //h/c /f",
		"/home/bób/x \\é \"/ü\"":                       "/home/bób/x,|/ü", // bytes, not letters
		"redoubt run-as -R r /home/bob/x":              "redoubt,|",
		"":                                             ",|",
		"\\":                                           "\\,|",
		"'":                                            ",|",
	} {
		if got := show(execsec.Parse(command)); got != want {
			t.Errorf("%q:\n got %q\nwant %q", command, got, want)
		}
	}
	if c := execsec.Parse("PATH=/opt/bin:$PATH x"); !slices.Equal(c.Path, []string{"/opt/bin"}) {
		t.Errorf("PATH is %q", c.Path)
	}
	for command, users := range map[string]string{
		"su - app -c /home/app/x": "app", "su -s /bin/sh app -c /x": "app", "su -c /x": "", "su root -c '/x app'": "root", "runuser -u app -- /x app2": "app", "runuser app -c /x": "app",
		"setpriv --reuid=app /x app2": "app", "setpriv --reuid 1000 --regid 5 /x": "1000", "sudo -uapp /x": "app", "sudo -n -u app /x -u app2": "app", "sudo /x -u app": "", "nice su app -c /x": "app",
		"start-stop-daemon -S -x /x -c app:app": "app", "start-stop-daemon -S -x /x -n app": "", "start-stop-daemon -S -u app -x /x -- -c app": "", "systemd-run --uid=app -u app2 /x": "app",
		"gosu app:grp /x app2": "app", "chpst -u app /x": "app", "chpst -e /x y app": "",
	} {
		c := execsec.Parse(command)
		for _, m := range c.Mentions {
			if got := strings.Join(m.Users, " "); got != users {
				t.Errorf("%q: %s by %q, want %q", command, m.Path, got, users)
			}
		}
		if len(c.Mentions) == 0 {
			t.Errorf("%q mentions nothing", command)
		}
	}
	if c := execsec.Parse("timeout 1 x /y app"); len(c.Mentions) != 1 || c.Mentions[0].Users != nil {
		t.Errorf("no change of the user: %+v", c.Mentions)
	}
}

// TestWhatRunsBehindOthers: what is named after a program that becomes another user, goes elsewhere or runs what it finds. Behind a program or a file stands whom
// the command has become by then, where it is somebody; unclear is a word of why it can not be seen what runs, if so.
func TestWhatRunsBehindOthers(t *testing.T) {
	for _, c := range []struct{ command, runs, code, unclear string }{
		{"sudo sh /a/x.sh", "sudo sh", "/a/x.sh", ""},
		{"sudo -n -u app -g grp A=b sh -e /a/x.sh", "sudo sh@app", "/a/x.sh@app", ""},
		{"sudo --user=app -- /a/x", "sudo /a/x@app", "", ""},
		{"sudo LD_PRELOAD=/a/x.so /b", "sudo /b", "/a/x.so", ""},
		{"sudo -u app sudo sh x", "sudo sudo@app sh", "x", ""},
		{"sudo -R /r /a/x", "sudo", "", "another root"},
		{"sudo -u $U sh x", "sudo sh@$U", "x@$U", ""},
		{"doas -u app python3 /a/x.py", "doas python3@app", "/a/x.py@app", ""},
		{"doas sh x.sh", "doas sh", "x.sh", ""},
		{"su -c 'sh /a/x.sh; /b'", "su sh /b", "/a/x.sh", ""},
		{"su - app -c 'sh x.sh'", "su sh@app", "x.sh@app", ""},
		{"su -s /a/sh -c x app", "su x@app /a/sh@app", "", ""},
		{"su app --command='./x'", "su ./x@app", "", ""},
		{"su app /a/x.sh b", "su", "/a/x.sh@app", ""},
		{"su app </a/x", "su", "/a/x", ""},
		{"runuser -u app -- sh /a/x.sh", "runuser sh@app", "/a/x.sh@app", ""},
		{"runuser -u app nice /a/x", "runuser /a/x@app", "", ""},
		{"runuser - app -c '/a/x y'", "runuser /a/x@app", "", ""},
		{"runuser app /a/x.sh", "runuser", "/a/x.sh@app", ""},
		{"pkexec --user app /a/x", "pkexec /a/x@app", "", ""},
		{"setpriv --reuid=app --regid 5 --clear-groups sh x", "setpriv sh@app", "x@app", ""},
		{"setpriv --no-new-privs sh x", "setpriv sh", "x", ""},
		{"start-stop-daemon -S -c app -x /bin/sh -- /a/x", "start-stop-daemon /bin/sh@app", "/a/x@app", ""},
		{"start-stop-daemon --start --exec=/a/x", "start-stop-daemon /a/x", "", ""},
		{"start-stop-daemon -S -r /r -x /a/x", "start-stop-daemon", "", "another root"},
		{"systemd-run --scope -p CPUQuota=5% --uid=app sh x", "systemd-run sh@app", "x@app", ""},
		{"systemd-run -u unit --wait perl x.pl", "systemd-run perl", "x.pl", ""},
		{"systemd-run -M box /a/x", "systemd-run", "", "another root"},
		{"gosu app:grp sh x", "gosu sh@app", "x@app", ""},
		{"su-exec app sh x; setuidgid app sh y", "su-exec sh@app setuidgid sh@app", "x@app y@app", ""},
		{"chpst -u app -e /e sh x", "chpst sh@app", "x@app", ""},
		{"chpst -/ /r sh x", "chpst", "", "another root"},
		{"capsh --user=app -- -c 'sh x'", "capsh sh@app", "x@app", ""},
		{"find /d -name x -exec sh /a/x.sh {} \\; -print", "find sh", "/a/x.sh", ""},
		{"find /d -exec a {} + -execdir ./b ';'", "find a ./b", "", ""},
		{"find /d -exec {} \\;", "find", "", "named by {}"},
		{"find /d -exec sh {} \\;", "find sh", "", "named by {}"},
		{"find /d -ok timeout 5 sh -c '{} x' \\;", "find sh", "", "named by {}"},
		{"find /d -exec sh -c 'a \"$1\"' _ {} +; echo {}/x", "find sh a echo", "", ""},
		{"ls | xargs -n 1 sh /a/x.sh", "ls sh", "/a/x.sh", ""},
		{"ls | xargs rm; ls | xargs", "ls rm ls", "", ""},
		{"ls | xargs sh", "ls sh", "", "code to run"},
		{"ls | xargs sh -c", "ls sh", "", "code to run"},
		{"ls | xargs nice", "ls", "", "a program to run"},
		{"ls | xargs -I % sh %", "ls sh", "", "named by %"},
		{"ls | xargs -I% %/x", "ls", "", "named by %"},
		{"ls | parallel", "ls parallel", "", "not seen"},
		{"nsenter -t 1 -n sh x", "nsenter sh", "x", ""},
		{"nsenter --net=/run/netns/a -S 1000 /a/x", "nsenter /a/x@1000", "", ""},
		{"nsenter -t 1 -m /a/x", "nsenter", "", "another root"},
		{"nsenter -at 1 /a/x", "nsenter", "", "another root"},
		{"nsenter --target 1 --root=/r /a/x", "nsenter", "", "another root"},
		{"unshare -mn --propagation private sh x", "unshare sh", "x", ""},
		{"unshare -R /r /a/x", "unshare", "", "another root"},
		{"chroot /r /a/x", "chroot", "", "another root"},
		{"nice chroot --userspec=app /r sh", "chroot", "", "another root"},
		{"bwrap --bind / / sh x; systemd-nspawn -D /r", "bwrap systemd-nspawn", "", "another root"},
		{"ip netns exec blue sh x", "ip sh", "x", ""},
		{"ip -n a netns e b timeout 1 /a/x; ip -all n exec /a/y", "ip /a/x ip /a/y", "", ""},
		{"ip addr add 10.0.0.1 dev eth0", "ip", "", ""},
		{"ssh -p 22 -F /a/config n2 sh x", "ssh", "/a/config", ""},
		{"ssh -oBatchMode=yes -o 'ProxyCommand sh /a/x' n2 ./y", "ssh sh", "/a/x", ""},
		{"ssh -o proxycommand=/a/x n2", "ssh /a/x", "", ""},
		{"ssh root@localhost 'sh x; /b'", "ssh sh /b", "x", ""},
		{"ssh ::1 sh x; ssh 127.1.2.3 /b; ssh 10.0.0.1 ./c", "ssh sh ssh /b ssh", "x", ""},
		{"trap 'sh /a/x' EXIT; trap - INT", "trap sh trap -", "/a/x", ""},
		{"alias sleep='sh x'; sleep 1", "alias sh sleep", "x", ""},
		{"watch -n 1 'sh x'", "watch sh", "x", ""},
		{"sg disk -c 'sh x'", "sh", "x", ""},
		{"at -f x now; crontab x", "at crontab", "", "not seen"},
		{"sh <<E\nsh /a/x\nE\ncat <<F\nsh /a/y\nF", "sh sh cat", "/a/x", ""},
		{"bash <<< 'sh /a/x'", "bash sh", "/a/x", ""},
		{"sh x <>/a/y <>/a/z; sh <>/a/y", "sh sh", "x /a/y", ""},
		{"for f in /d/*; do sh /a/x $f; done", "sh", "/a/x", ""},
		{"case $A in x) sh /a/x;; esac; f() { /b; }; f", "sh /b f", "/a/x", ""},
		{"a ${B:-$(sh x)} &>/c sh y", "a sh a sh", "x y", ""}, // one command for bash, two for dash
		{"A=$(sh x) b", "b sh", "x", ""},
		{"cat /a/x | sh", "cat sh", "", "another command writes the code that sh runs"},
		{"cat x | nice python3 -; a |& bash -s", "cat python3 a bash", "", "writes the code"},
		{"cat x | sh /a/y; cat x | sh <<E\nb\nE\ncat x | cat", "cat sh cat sh b cat cat", "/a/y", ""},
		{"cd /a; PATH=.:/b:$PATH x", "cd x", ". /b", ""},
		{"PATH=/b: LD_LIBRARY_PATH=:/c x", "x", "/b . . /c", ""},
		{"PATH=$HOME/x:/b PYTHONPATH=:lib LD_PRELOAD='a.so ./b.so' x", "x", "/b lib ./b.so", ""},
		{"enable -f /a/x.so y; enable z", "enable enable", "/a/x.so", ""},
		{"a 'b", "", "", "no text for a shell"},
		{"sh -c 'if a'", "sh", "", "no text for a shell"},
		{"NODE_OPTIONS='-r \"/a' x", "x", "", "no words"},
		{"sh -c a; " + nested(12), "sh a" + strings.Repeat(" eval", 9), "", "more than 8"},
	} {
		got := execsec.Parse(c.command)
		words := func(all []execsec.Mention) string {
			var out []string
			for _, m := range all {
				if len(m.Users) > 0 {
					m.Path += "@" + strings.Join(m.Users, "+")
				}
				out = append(out, m.Path)
			}
			return strings.Join(out, " ")
		}
		if words(got.Programs) != c.runs || words(got.Code) != c.code {
			t.Errorf("%q:\n got %q, %q\nwant %q, %q", c.command, words(got.Programs), words(got.Code), c.runs, c.code)
		}
		if unclear := strings.Join(got.Unclear, "; "); (unclear == "") != (c.unclear == "") || !strings.Contains(unclear, c.unclear) {
			t.Errorf("%q: unclear %q, want %q", c.command, unclear, c.unclear)
		}
	}
}

// TestProgramsBehindVariables: a variable in the place of a program stands for the values that the command gives it, all of them; where it may have others, it is not seen what runs.
func TestProgramsBehindVariables(t *testing.T) {
	for command, want := range map[string]string{
		"$PROG a": "|$PROG", "\"${X}/bin/y\" a": "|${X}/bin/y", "exec nice -n 5 $PROG": "|$PROG", "nice $OPTIONS /a": "|$OPTIONS", "`a` b": "a|`a`", "$(a) b": "a|$(a)", "/opt/*/run": "|/opt/*/run",
		"\"$1\"; $@; ${A[0]}": "|$1 $@ ${A[0]}", "${A:-/a}": "|${A:-/a}", "sh -c \"$X y\"": "sh|$X", "sh -c '$X y'": "sh|$X", "eval $X": "eval|$X", "sh <<E\n$X\nE": "sh|$X", "su app -c '$HOME/x'": "su|$HOME/x",
		"su -s $X app": "su|$X", "find /d -exec $X {} \\;": "find|$X", "ls | xargs $X": "ls|$X", "$DIR/x; /opt/y": "/opt/y|$DIR/x", "trap \"$X\" EXIT": "trap|",
		"sh $X": "sh|$X", ". $D/lib": ".|$D/lib", "sh < $X": "sh|$X", "echo $X /a": "echo|", "python3 /a $X": "python3 /a|", "java -cp $C M": "java|",

		"PROG=/a; $PROG b": "/a|", "PROG=/a\n\"$PROG\" b": "/a|", "export PROG=/a && exec ${PROG} b": "/a|", "D='/o p'; E=/o; $E/x": "/o/x|", "D=/o; P=$D/bin; exec \"$P/x\"": "/o/bin/x|",
		"if a; then P=/b; else P=/c; fi; $P": "a /b /c|", "C='nice -n 5 /a b'; $C c": "/a|", "S=; $S /a": "/a|", "S=/a; sh $S; . \"$S\"": "sh . /a /a|", "P=sh; $P /a": "sh /a|", "X=/a; sh -c \"$X b\"": "sh /a|",
		"P=/a; P=/a; $P": "/a|", "P=sh; cat x | $P": "cat sh|",

		"PROG=/a $PROG": "|$PROG", "P=$(which x); $P": "which|$P", "P=/a; read P; $P": "read|$P", "P=/a; IFS=: read -r Q P; $P": "read|$P", "for P in /a /b; do $P; done": "|$P", "P=/a; for P in $L; do \"$P\"; done": "|$P",
		"P=/a; : ${P:=/b} ${Q=x}; $P": ":|$P", "P=/a; P+=b; $P": "P+=b|$P", "P=(/a /b); $P": "|$P", "P='/a b'; \"$P\"": "|$P", "P='/a;b'; $P": "|$P", "P='*'; $P": "|$P", "P=$P/x; $P": "|$P", "P=A=1; $P x": "|$P",
		"P=/a; printf -v P %s x; $P": "printf|$P", "D=/a; \"$D b\"": "|$D b", "S=; sh $S /a": "sh|$S",
		strings.Repeat("P=$P$P;", 3) + "A=a;A=b;" + strings.Repeat("$A", 20): "|" + strings.Repeat("$A", 20),
	} {
		c := execsec.Parse(command)
		words := func(all []execsec.Mention) string {
			var out []string
			for _, m := range all {
				out = append(out, m.Path)
			}
			return strings.Join(out, " ")
		}
		if got := words(slices.Concat(c.Programs, c.Code)) + "|" + words(c.Unseen); got != want {
			t.Errorf("%q:\n got %q\nwant %q", command, got, want)
		}
	}
	for _, m := range execsec.Parse("runuser -u app $P").Unseen {
		if !slices.Equal(m.Users, []string{"app"}) {
			t.Errorf("what is not seen runs as %q", m.Users)
		}
	}
	// However variables are made of each other, looking at them ends.
	execsec.Parse("A=x;A=y;A=z;B=$A;B=a;C=$B$B;" + strings.Repeat("nice $C ", 2000))
	execsec.Parse(strings.Repeat("A=$A$B$A;B=$B$A;", 500) + strings.Repeat("$A;", 500))
}

// nested is eval within eval, n times.
func nested(n int) string { return strings.Repeat("eval ", n) + "x" }

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a;b", "'", "\"$(", "a\\", "> x", "2>&1", "#", "env A=b -i c", "sh -c \"sh -c 'sh -c x'\"", "flock -c", "java -cp", "python -", "exec -a", "A=/a; $A", "A=$B; B=$A$A; \"$B/x\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := execsec.Parse(s)
		for _, m := range slices.Concat(c.Programs, c.Code) {
			if len(m.Path) > max(len(s), 4096) { // values of variables are put in
				t.Errorf("%q of %q", m.Path, s)
			}
		}
		for _, m := range c.Mentions {
			if !strings.HasPrefix(m.Path, "/") || len(m.Path) > max(len(s), 4096) {
				t.Errorf("%q of %q", m.Path, s)
			}
		}
	})
}

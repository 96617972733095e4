# Read by the methods: what they were called with, and what the cluster knows of the resource.
while getopts R:T:G: option; do
    case $option in
    R) resource=$OPTARG ;;
    T) ;;
    G) group=$OPTARG ;;
    *) exit 2 ;;
    esac
done

# extension prints the value of an extension property: the first line of the answer is its type.
extension() {
    scha_resource_get -O EXTENSION -R "$1" -G "$group" "$2" | sed 1d
}

directory=$(extension "$resource" Directory) || exit 1
port=$(extension "$resource" Port) || exit 1

# The address is that of the first address resource of the group, or every address of the node.
address=0.0.0.0
ip=$(scha_resource_get -O NETWORK_RESOURCES_USED -R "$resource" -G "$group" | head -n 1)
if [ -n "$ip" ]; then
    address=$(extension "$ip" Address | head -n 1)
    address=${address%/*}
fi

# Each node has its own run directory; it is the one in which the socket of its daemon lies.
run=${REDOUBT_SOCKET%/*}/example.web
mkdir -p "$run" || exit 1
pidfile=$run/$resource.pid
monitorfile=$run/$resource.monitor

# alive prints the number in a file if a process has it whose command line contains a word.
alive() {
    read -r pid 2>/dev/null <"$1" || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q -e "$2" && echo "$pid"
}

# answers asks the server for its front page, for at most five seconds.
answers() {
    python3 -c 'import sys, urllib.request
urllib.request.urlopen("http://%s:%s/" % (sys.argv[1], sys.argv[2]), timeout=5)' "$address" "$port" 2>/dev/null
}

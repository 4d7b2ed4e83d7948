#!/bin/busybox sh
# The first process of the lab: loads kvm_amd, runs /lab/command and powers off.
# Serial ports: 0 the kernel's console, 1 and 2 the command's output and errors, 3 what becomes of it.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
ip link set lo up
for port in 1 2 3; do stty -F /dev/ttyS$port raw -echo; done

for module in /lab/modules/*; do insmod "$module"; done
if ! [ -c /dev/kvm ]; then
  echo "kvm_amd did not load: no /dev/kvm"
  poweroff -f
fi

# Through pipes, so that the command does not take the serial ports for a terminal.
mkfifo /lab/stdout /lab/stderr
cat /lab/stdout >/dev/ttyS1 &
cat /lab/stderr >/dev/ttyS2 &
echo "up $(uname -r)" >/dev/ttyS3
while sleep 5; do echo alive >/dev/ttyS3; done &
alive=$!
sh /lab/command </dev/null >/lab/stdout 2>/lab/stderr
code=$?
kill $alive
echo "exit $code" >/dev/ttyS3
wait
# Once more, and with time to be sent: the first was lost once, and with it a whole run.
echo "exit $code" >/dev/ttyS3
sleep 1
poweroff -f

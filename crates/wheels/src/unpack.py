# Unpacks wheels: pairs of arguments, the wheel and the folder to make for it.
# Readable by every user and executable where the archive says so, whatever the umask is.
import os, sys, zipfile

for wheel, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        modes = {os.path.normpath(entry.filename): entry.external_attr >> 16 for entry in archive.infolist()}
    os.chmod(folder, 0o755)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            os.chmod(os.path.join(parent, name), 0o755)
        for name in files:
            path = os.path.join(parent, name)
            executable = modes[os.path.relpath(path, folder)] & 0o111
            os.chmod(path, 0o755 if executable else 0o644)

# The folders get their final names next, which must not reach the disk before their contents do.
os.sync()
